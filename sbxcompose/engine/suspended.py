"""Sandboxes that are on their way: waited for until they run, or sleep (contract, section 2.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.api.wire_errors import sandbox_gone, unexpected_state
from sbxcompose.clock import monotonic
from sbxcompose.errors import Conflict, Unreachable

Transition = Callable[[], Awaitable[bool]]
"""Asks for a transition; True if it is complete when that is answered."""
Look = Callable[[SandboxInfo, float], None]
"""Told how a sandbox stands, and for how many seconds it was waited for."""
PATIENCE = 300.0
"""Seconds that a sandbox may take to get there."""
SETTLING = 10.0
"""Seconds for which a server may not know yet what it has made or ended (contract, section 2.7: about one)."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
"""Seconds between two looks: a fifth of the time waited so far, between these two."""


async def suspend(lifecycle: Lifecycle, name: str) -> None:
    """Suspend the sandbox of that name or id and wait until it is. Raises `Refused` where the provider will not."""
    await _ask(lambda: lifecycle.suspend(name))
    await wait_for_status(lifecycle, name, "suspended", again=lambda: lifecycle.suspend(name))


async def resume(lifecycle: Lifecycle, name: str) -> SandboxInfo:
    """Wake the sandbox of that name or id and wait until it runs; one that is being suspended has to be so first."""
    info = await lifecycle.find(name)
    if info is not None and info.status == "suspending":
        await wait_for_status(lifecycle, name, "suspended")
    await _ask(lambda: lifecycle.resume(name))
    return await wait_for_status(lifecycle, name, "running", again=lambda: lifecycle.resume(name))


async def _ask(call: Transition) -> None:
    """Begin a transition; where one is under way already, or the answer was lost, the state will tell."""
    try:
        await call()
    except (Conflict, Unreachable):
        return


async def wait_for_status(
    lifecycle: Lifecycle,
    name: str,
    status: str,
    *,
    again: Transition | None = None,
    on_poll: Look = lambda info, waited: None,
) -> SandboxInfo:
    """Wait until the sandbox has that status. Raises `NotFound` if it is gone or terminated, `Refused` if it never gets
    there.

    One that has not been seen under that name or id may have just been made, and not be known everywhere yet: a 404
    is for one that never existed (contract, section 2.1). `on_poll` is told what is seen.

    `again` repeats the request for the transition while the sandbox is not in one: the first may have been lost, and a
    request of this client that was still on its way may have woken the sandbox after it was suspended.
    """
    begun, patience = monotonic(), SETTLING
    while True:
        info = await lifecycle.find(name)
        waited = monotonic() - begun
        if info is None and waited < patience:
            await asyncio.sleep(pause_after(waited))
            continue
        patience = 0.0
        if info is None:
            raise sandbox_gone(name)
        on_poll(info, waited)
        if info.status == status:
            return info
        if info.status == "terminated" or waited > PATIENCE:
            why = next((reason for reason in (info.termination_reason, info.pending_reason) if reason), None)
            raise unexpected_state(info.name or name, info.status, status, why)
        if again is not None and info.status in ("running", "suspended"):
            await _ask(again)
        await asyncio.sleep(pause_after(waited))


async def wait_until_known(find: Callable[[], Awaitable[SandboxInfo | None]]) -> SandboxInfo | None:
    """Return a sandbox that has just been made, once the server knows it; None if it still does not in the end."""
    begun = monotonic()
    while (info := await find()) is None and (waited := monotonic() - begun) < SETTLING:
        await asyncio.sleep(pause_after(waited))
    return info


def pause_after(waited: float) -> float:
    """Seconds until the next look, after `waited` seconds."""
    return min(max(waited / 5, FIRST_PAUSE), LONGEST_PAUSE)
