"""Holding the processes of a sandbox where they are, and letting them go on (contract, section 2.11).

The one place that knows how: everything that a unit has started is stopped by signal, and goes on with the same process
ids and the same memory. A process that somebody had stopped before goes on with the others.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable

from sbxcompose.host.keeper.client import KeeperClient


async def freeze(keeper: KeeperClient, units: Iterable[str]) -> None:
    """Hold all that these units have started; again is fine. Raises `KeeperLost`."""
    await asyncio.gather(*(keeper.kill(unit, signal.SIGSTOP, "everything") for unit in units))


async def thaw(keeper: KeeperClient, units: Iterable[str]) -> None:
    """Let it go on. What was asked of it meanwhile, an end by signal, say, happens now. Raises `KeeperLost`."""
    await asyncio.gather(*(keeper.kill(unit, signal.SIGCONT, "everything") for unit in units))
