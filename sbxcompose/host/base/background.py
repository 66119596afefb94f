"""Background tasks that no caller awaits."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Coroutine
from typing import Any

from sbxcompose.host.keeper.client import KeeperLost

_UNDER_WAY: set[asyncio.Task[None]] = set()
"""The event loop itself holds tasks by weak references only."""


def do(work: Coroutine[Any, Any, object]) -> None:
    """Carry `work` through from the next turn of the event loop on. What it raises goes to the host's log."""
    task = asyncio.get_running_loop().create_task(_through(work))
    _UNDER_WAY.add(task)
    task.add_done_callback(_UNDER_WAY.discard)


async def _through(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except KeeperLost:
        pass  # said when it was lost; without a keeper there is nothing left to be done
    except Exception as error:
        traceback.print_exception(error, file=sys.stderr)
