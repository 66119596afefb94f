"""Where the daemon of a sandbox in the cloud is reached; pure."""

from __future__ import annotations

from sbxcompose.api.addresses import Site, may_have_key, parse_site
from sbxcompose.api.cloud_errors import place_not_trusted, place_unknown
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.api.settings import CloudSettings


def daemon_site(settings: CloudSettings, info: SandboxInfo) -> Site:
    """Where a sandbox's daemon is reached (contract, section 1.4): where its info says, else the proxy that was named.

    Raises `Refused` when that is a place that the user has not named, for the key would go there.
    """
    told = parse_site(info.sandbox_url, f"sandbox {info.name or info.id}") if info.sandbox_url else None
    if told is not None and may_have_key(told, settings.named):
        return told
    if settings.proxy is not None:
        return settings.proxy
    name = info.name or info.id
    if told is None:
        raise place_unknown(name, settings.api)
    raise place_not_trusted(name, told, settings.api, settings.api_url.value)
