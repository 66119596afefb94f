"""How a cloud is configured: the variables that the vendor's own clients read (contract, section 1.5), and one of
this project; pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct

from sbxcompose.api.addresses import CLOUD, ControlPlane, Site, control_plane, parse_site
from sbxcompose.errors import ConfigurationError

API_URL = "TENSORLAKE_API_URL"
API_KEY = "TENSORLAKE_API_KEY"
TOKEN = "TENSORLAKE_PAT"
NAMESPACE = "INDEXIFY_NAMESPACE"
PROXY_URL = "TENSORLAKE_SANDBOX_PROXY_URL"
SANDBOX_API_URL = "TENSORLAKE_SANDBOX_API_URL"
ORGANIZATION = "TENSORLAKE_ORGANIZATION_ID"
PROJECT = "TENSORLAKE_PROJECT_ID"
NETWORK_TIMEOUT = "SBXCOMPOSE_NETWORK_TIMEOUT"
SILENCE = 45.0
"""Seconds without a byte after which a connection counts as broken; a stream has a keep-alive each 15 s."""

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
"""The variables that send requests to a cloud through a proxy."""

DEFAULT = "default"
"""Source of a default value, and the default namespace."""


class Setting(Struct, frozen=True):
    """A value and where it comes from: the name of a variable, or `default`."""

    value: str
    source: str


class CloudSettings(Struct, frozen=True):
    """All that is needed to reach a cloud. `key` is None where none was given."""

    api_url: Setting
    namespace: Setting
    key: Setting | None = None
    proxy_url: Setting | None = None
    sandbox_api_url: Setting | None = None
    organization: Setting | None = None
    project: Setting | None = None
    network_timeout: Setting | None = None

    @property
    def api(self) -> Site:
        """The platform's site. Raises `ConfigurationError`, as do the others."""
        return _site(self.api_url)

    @property
    def proxy(self) -> Site | None:
        """The site below which sandboxes are reached, if it was named."""
        return None if self.proxy_url is None else _site(self.proxy_url)

    @property
    def lifecycle(self) -> ControlPlane:
        """Where sandboxes are created and found."""
        override = None if self.sandbox_api_url is None else _site(self.sandbox_api_url)
        return control_plane(self.api, self.namespace.value, override)

    @property
    def named(self) -> list[Site]:
        """The sites that the user has named, to which the key may go."""
        given = (self.api_url, self.proxy_url, self.sandbox_api_url)
        return [_site(setting) for setting in given if setting is not None]

    @property
    def silence(self) -> float:
        """Seconds without a byte after which a connection counts as broken."""
        setting = self.network_timeout
        return SILENCE if setting is None else _seconds(setting)

    def headers(self) -> dict[str, str]:
        """Return what every request carries: the scope, where both halves of it are known (contract, section 1.3)."""
        if self.organization is None or self.project is None:
            return {}
        return {
            "X-Forwarded-Organization-Id": self.organization.value,
            "X-Forwarded-Project-Id": self.project.value,
        }


def read_settings(environ: Mapping[str, str]) -> CloudSettings:
    """Read the environment; an empty variable counts as one that is not set. Raises `ConfigurationError`."""

    def first(*names: str) -> Setting | None:
        for name in names:
            if value := environ.get(name, "").strip():
                return Setting(_plain(value, name), name)
        return None

    return CloudSettings(
        api_url=first(API_URL) or Setting(CLOUD, DEFAULT),
        namespace=first(NAMESPACE) or Setting("default", DEFAULT),
        key=first(API_KEY, TOKEN),
        proxy_url=first(PROXY_URL),
        sandbox_api_url=first(SANDBOX_API_URL),
        organization=first(ORGANIZATION),
        project=first(PROJECT),
        network_timeout=first(NETWORK_TIMEOUT),
    )


def _seconds(setting: Setting) -> float:
    try:
        seconds = float(setting.value)
    except ValueError:
        seconds = 0.0
    if not 1.0 <= seconds < math.inf:
        raise ConfigurationError(
            f"{setting.source}: invalid timeout `{setting.value}`; expected seconds, at least 1", hint="set it again"
        )
    return seconds


def masked(key: str) -> str:
    """Return a key as it may be shown: at most its last four characters, and of a short one nothing."""
    return f"…{key[-4:]}" if len(key) >= 16 else "…"


def _plain(value: str, name: str) -> str:
    """`value`, if it can stand in a header or a URL."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(f"{name} has a blank or a character in it that cannot be sent", hint="set it again")
    return value


def _site(setting: Setting) -> Site:
    return parse_site(setting.value, setting.source)
