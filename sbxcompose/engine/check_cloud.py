"""Whether the provider `tensorlake` is configured and answers. The key is never shown, at most its last characters."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sbxcompose.api import settings as names
from sbxcompose.api.cloud import CloudChannel
from sbxcompose.api.cloud_errors import KeyRefused
from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.settings import CloudSettings, Setting, masked, read_settings
from sbxcompose.clock import monotonic
from sbxcompose.engine.checks import CheckStatus, DoctorCheck, failed
from sbxcompose.errors import SbxError
from sbxcompose.spec.project import Sandbox
from sbxcompose.tasks import gather_all

if TYPE_CHECKING:
    from sbxcompose.engine.cloud import CloudProvider

SECTION = "tensorlake"
_check = partial(DoctorCheck, SECTION)


async def check_cloud(
    environ: Mapping[str, str] = os.environ, *, wanted: bool, sandboxes: Sequence[Sandbox] = ()
) -> list[DoctorCheck]:
    """Return all findings. `wanted`: the project lives there, so that a missing key is a fault and not a choice.

    The daemons of those of `sandboxes` that run are asked what they can do.
    """
    try:
        found = read_settings(environ)
        configured = list(describe(found, environ))
        _ = found.lifecycle, found.proxy
    except SbxError as error:
        return [failed(SECTION, "settings", error)]
    if found.key is None and not (wanted or found.api.loopback):
        text = "no key: this provider cannot be used until there is one"
        return [*configured, _check("key", CheckStatus.NOTE, text, f"set {names.API_KEY} to use it")]
    if found.key is None:
        configured.append(_check("key", CheckStatus.BAD, "no key", f"set {names.API_KEY}"))
        if not found.api.loopback:
            return configured
    answer = await _ask(found)
    daemons = await check_daemons(found, sandboxes) if answer.health is CheckStatus.GOOD else []
    return [*configured, answer, *daemons]


async def check_daemons(found: CloudSettings, sandboxes: Sequence[Sandbox]) -> list[DoctorCheck]:
    """Return a finding for each of the sandboxes that exist. One that is suspended is left so."""
    from sbxcompose.engine.cloud import CloudProvider

    if not sandboxes:
        return []
    provider = CloudProvider(found)
    try:
        checks = await gather_all(*(_check_daemon(provider, sandbox) for sandbox in sandboxes))
    finally:
        await provider.close()
    return [check for check in checks if check is not None]


async def _check_daemon(provider: CloudProvider, sandbox: Sandbox) -> DoctorCheck | None:
    from sbxcompose.engine.daemon_abilities import IMAGE_HINT, NEEDED, all_abilities

    name = f"sandbox {sandbox.name}"
    try:
        info = await provider.find(sandbox)
        if info is None:
            return None
        if info.status != "running":
            text = f"{info.status}, so its daemon is not asked what it can do"
            return _check(name, CheckStatus.NOTE, text, f"`sbxcompose unpause {sandbox.name}` resumes it")
        report = await all_abilities(provider.client(info))
    except SbxError as error:
        return failed(SECTION, name, error)
    if not report.lacking:
        return _check(name, CheckStatus.GOOD, f"{report.name} supports everything that is needed")
    health = CheckStatus.BAD if set(report.lacking) & set(NEEDED) else CheckStatus.NOTE
    lacking = ", ".join(report.lacking)
    return _check(name, health, f"{report.name} does not support {lacking}", IMAGE_HINT)


def describe(found: CloudSettings, environ: Mapping[str, str]) -> Iterator[DoctorCheck]:
    """Yield what is configured, and where each value comes from."""
    yield _setting("url", found.api_url)
    if found.api.scheme == "http" and not found.api.loopback:
        yield _check(
            "url", CheckStatus.NOTE, "the key travels unencrypted", "use https where the network is not your own"
        )
    if found.key is not None:
        yield _setting("key", Setting(masked(found.key.value), found.key.source))
    yield _setting("namespace", found.namespace)
    if found.network_timeout is not None:
        timeout = Setting(f"{found.silence:g} s", found.network_timeout.source)
        yield _setting("network timeout", timeout)
    for name, setting in (("proxy url", found.proxy_url), ("lifecycle url", found.sandbox_api_url)):
        if setting is not None:
            yield _setting(name, setting)
    yield from _scope(found)
    for name in names.PROXIES:
        if environ.get(name) and not found.api.loopback:
            yield _setting("proxy", Setting(re.sub(r"//[^/@]*@", "//…@", environ[name]), name))


def _scope(found: CloudSettings) -> Iterator[DoctorCheck]:
    given = [
        (name, setting)
        for name, setting in (("organization", found.organization), ("project", found.project))
        if setting
    ]
    for name, setting in given:
        yield _setting(name, setting)
    if len(given) == 1:
        fix = f"set both {names.ORGANIZATION} and {names.PROJECT}, or neither"
        yield _check("scope", CheckStatus.NOTE, "an organization and a project are sent together, or not at all", fix)


def _setting(name: str, setting: Setting) -> DoctorCheck:
    source = "the default" if setting.source == names.DEFAULT else f"from {setting.source}"
    return _check(name, CheckStatus.GOOD, f"{setting.value} ({source})")


async def _ask(found: CloudSettings) -> DoctorCheck:
    """Return whether it answers and takes the key, and how long that takes."""
    plane = found.lifecycle
    channel = CloudChannel(plane.site, found.key, found.headers(), silence=found.silence)
    begun = monotonic()
    try:
        count = await Lifecycle(channel, root=plane.path).probe()
    except KeyRefused as error:
        fix = f"set the right one in {found.key.source if found.key else names.API_KEY}"
        return _check("answer", CheckStatus.BAD, error.message, fix)
    except SbxError as error:
        return failed(SECTION, "answer", error)
    finally:
        await channel.close()
    millis = (monotonic() - begun) * 1000
    what = "at least one sandbox" if count else "no sandbox yet"
    return _check("answer", CheckStatus.GOOD, f"{plane.site} answers in {millis:.0f} ms and accepts the key; {what}")
