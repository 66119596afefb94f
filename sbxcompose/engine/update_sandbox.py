"""A sandbox in the cloud given what of the file it can be given as it is: ports, network, sizes, file systems."""

from __future__ import annotations

import asyncio

from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox_models import PatchRequest, SandboxInfo
from sbxcompose.api.wire_errors import not_changed, still_changing
from sbxcompose.clock import monotonic
from sbxcompose.engine import suspended
from sbxcompose.engine.cloud_requests import create_request, remounted, resized, updates
from sbxcompose.engine.daemon_abilities import is_missing_route
from sbxcompose.errors import Refused, Unsupported
from sbxcompose.spec.project import Sandbox

NEW_ONE = "`sbxcompose down --terminate`, then `sbxcompose up`, makes a new sandbox"


async def update_sandbox(lifecycle: Lifecycle, sandbox: Sandbox, info: SandboxInfo) -> None:
    """Change what differs; keys that the file lacks stay as they are.

    Sizes are asked for by themselves, since servers take them alone. Raises `Refused`, and `Unsupported` where the
    server has no way to change something.
    """
    differing = updates(sandbox, info)
    wanted = create_request(sandbox)
    ports = wanted.exposed_ports if "ports" in differing else None
    network = wanted.network if "network" in differing else None
    clear = "network" in differing and network is None
    if ports is not None or network is not None or clear:
        changes = PatchRequest(exposed_ports=ports, network=network)
        await lifecycle.update(info.id, changes, clear_network=clear)
    if "resources" in differing:
        await _resize(lifecycle, sandbox, info)
    if "file_systems" in differing:
        await _remount(lifecycle, sandbox, info)


async def _resize(lifecycle: Lifecycle, sandbox: Sandbox, info: SandboxInfo) -> None:
    """Ask for other sizes, and wait until the server says what has become of that (contract, section 2.5)."""
    try:
        now: SandboxInfo | None = await lifecycle.update(info.id, PatchRequest(resources=resized(sandbox, info)))
        begun = monotonic()
        while (resize := now.resource_resize if now is not None else None) is not None and resize.status == "pending":
            waited = monotonic() - begun
            if waited > suspended.PATIENCE:
                raise still_changing(sandbox.name)
            await asyncio.sleep(suspended.pause_after(waited))
            now = await lifecycle.find(info.id)
    except Refused as error:
        raise _cannot(sandbox, "`resources`", error) from error
    if resize is not None and resize.status == "failed":
        words = resize.error_message or "the provider does not say why"
        raise not_changed(sandbox.name, "its resources", words, NEW_ONE)


async def _remount(lifecycle: Lifecycle, sandbox: Sandbox, info: SandboxInfo) -> None:
    detached, attached = remounted(sandbox, info)
    try:
        for path in detached:
            await lifecycle.detach(info.id, path)
        for mount in attached:
            await lifecycle.attach(info.id, mount)
    except Refused as error:
        raise _cannot(sandbox, "`file_systems`", error) from error


def _cannot(sandbox: Sandbox, what: str, error: Refused) -> Refused | Unsupported:
    """Return the error for a change that the server refuses, or does not know."""
    if is_missing_route(error):
        return Unsupported(f"sandbox {sandbox.name}: its provider cannot change {what} in place", hint=NEW_ONE)
    return not_changed(sandbox.name, what, error.message, NEW_ONE, error)
