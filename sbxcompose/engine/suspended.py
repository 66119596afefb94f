"""Sandboxes that are on their way: waited for until they run, or sleep (contract, section 2.5)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.errors import Conflict, NotFound, Refused, Unreachable
from sbxcompose.spec.project import Sandbox

Transition = Callable[[], Awaitable[bool]]
"""Asks for a transition; True if it is complete when that is answered."""
PATIENCE = 300.0
"""Seconds that a sandbox may take to get there."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
"""Seconds between two looks: a fifth of the time waited so far, between these two."""


async def suspend(lifecycle: Lifecycle, sandbox: Sandbox) -> None:
    """Put the sandbox to sleep and wait until it is. Raises `Refused` where the provider will not."""
    name = sandbox.full_name
    await _ask(lambda: lifecycle.suspend(name))
    await until(lifecycle, name, "suspended", again=lambda: lifecycle.suspend(name))


async def resume(lifecycle: Lifecycle, sandbox: Sandbox) -> SandboxInfo:
    """Wake the sandbox and wait until it runs; one that is being suspended has to be so first."""
    name = sandbox.full_name
    info = await lifecycle.find(name)
    if info is not None and info.status == "suspending":
        await until(lifecycle, name, "suspended")
    await _ask(lambda: lifecycle.resume(name))
    return await until(lifecycle, name, "running", again=lambda: lifecycle.resume(name))


async def _ask(call: Transition) -> None:
    """Begin a transition; where one is under way already, or the answer was lost, the state will tell."""
    try:
        await call()
    except (Conflict, Unreachable):
        return


async def until(lifecycle: Lifecycle, name: str, status: str, *, again: Transition | None = None) -> SandboxInfo:
    """Wait until the sandbox has that status. Raises `NotFound` if it is gone, `Refused` if it never gets there.

    `again` repeats the request for the transition while the sandbox is not in one: the first may have been lost, and a
    request of ours that was still on its way may have woken the sandbox after it was suspended.
    """
    begun = time.monotonic()
    while True:
        info = await lifecycle.find(name)
        if info is None:
            raise NotFound(f"sandbox {name} is gone", status=404)
        if info.status == status:
            return info
        waited = time.monotonic() - begun
        if info.status == "terminated" or waited > PATIENCE:
            raise Refused(f"sandbox {name} is {info.status}, not {status}{_why(info)}", status=0)
        if again is not None and info.status in ("running", "suspended"):
            await _ask(again)
        await asyncio.sleep(min(max(waited / 5, FIRST_PAUSE), LONGEST_PAUSE))


def _why(info: SandboxInfo) -> str:
    reasons = (info.termination_reason, info.pending_reason)
    words = next((reason for reason in reasons if reason), None)
    return f": {words}" if words else ""
