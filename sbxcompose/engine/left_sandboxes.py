"""Sandboxes of a project where its file no longer has them: taken out of it, renamed, or moved to another provider.

On this machine the host knows them, if it runs. In the cloud names alone do not tell, so it is what this machine has
used there that counts, and what is still there.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.api.transport import HostAddress
from sbxcompose.engine.claims import same_directory
from sbxcompose.engine.providers import LocalProvider, Provider, provider_of
from sbxcompose.errors import SbxError
from sbxcompose.paths import cloud_places_path
from sbxcompose.plan.observed import LeftSandbox
from sbxcompose.spec.project import Project, ProviderName, Sandbox

if TYPE_CHECKING:
    from sbxcompose.engine.cloud_places import CloudPlace

PATIENCE = 3.0
"""Seconds that it may take to find out whether a sandbox is still in the cloud."""


async def left_at_host(project: Project, host: Provider | None) -> list[LeftSandbox]:
    """Return those of this machine in which something runs; `host` is the provider, if it is in use already."""
    if not project.files:
        return []  # it has come from the sandboxes themselves
    if host is not None:
        return left_of(project, await host.sandboxes())
    with suppress(SbxError):  # it is not needed for anything else
        other = _running_host(project)
        if other is not None:
            try:
                return left_of(project, await other.sandboxes())
            finally:
                await other.close()
    return []


def _running_host(project: Project) -> LocalProvider | None:
    """Return the provider `local` if its host runs; none is started."""
    if sys.platform != "linux":
        return None
    from sbxcompose.engine.local_host import locate

    path = locate.find()
    return None if path is None else LocalProvider(project, HostAddress(path=str(path)))


def left_of(project: Project, infos: Iterable[SandboxInfo]) -> list[LeftSandbox]:
    """Return those of the host's sandboxes that belong to the project, run something, and are not in its file here."""
    here = {sandbox.full_name for sandbox in project.sandboxes if project.provider_of(sandbox) == "local"}
    return [
        LeftSandbox(info.project.sandbox, info.name, "local", info.live_processes, _provider(project, info.name))
        for info in infos
        if info.project is not None
        and info.project.name == project.name
        and same_directory(info.project.directory, project.directory)
        and info.name is not None
        and info.name not in here
        and info.live_processes
    ]


def _provider(project: Project, full_name: str) -> ProviderName | None:
    """Return where the file has a sandbox now."""
    return next((project.provider_of(own) for own in project.sandboxes if own.full_name == full_name), None)


async def left_in_cloud(project: Project, environ: Mapping[str, str]) -> list[LeftSandbox]:
    """Return those of the cloud that have been used from here and may still be there; forget the others."""
    if not project.files or not cloud_places_path(project.name, project.directory, environ).exists():
        return []  # no cloud was used by it from here
    from sbxcompose.engine import cloud_places

    known = cloud_places.recall(project.name, project.directory, environ)
    there = {sandbox.full_name for sandbox in project.sandboxes if project.provider_of(sandbox) == "tensorlake"}
    candidates = {name: place for name, place in known.items() if place.full_name not in there}
    if not candidates:
        return []
    gone = await _gone(project, environ, candidates)
    cloud_places.note(project.name, project.directory, environ, dict.fromkeys(gone))
    return [
        LeftSandbox(name, place.full_name, "tensorlake", None, _provider(project, place.full_name))
        for name, place in candidates.items()
        if name not in gone
    ]


async def _gone(project: Project, environ: Mapping[str, str], candidates: Mapping[str, CloudPlace]) -> set[str]:
    """Return those that are no longer there, as far as that can be found out."""
    gone: set[str] = set()
    with suppress(SbxError, TimeoutError):
        cloud = provider_of(project, environ, kind="tensorlake")
        try:
            async with asyncio.timeout(PATIENCE):
                for name, place in candidates.items():
                    if place.scope == cloud.scope and await cloud.find(Sandbox(name, place.full_name, ())) is None:
                        gone.add(name)
        finally:
            await cloud.close()
    return gone
