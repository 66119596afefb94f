"""How long processes are waited for that were sent SIGKILL or SIGSTOP, which take effect when they next get their turn:
at once on most machines, late on one under load and in a group whose processors are limited.
"""

from __future__ import annotations

from sbxcompose.linux.processes import read_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PATIENCE = 2.0
"""Seconds; what sleeps in the kernel where no signal wakes it takes longer, perhaps forever."""
STARVING = 20.0
"""The same, while any of them is ready to run."""
_READY = b"R"


def is_over(waited: float, starved: Callable[[], bool]) -> bool:
    """Return whether to stop waiting after `waited` seconds; `starved` is called only where it matters."""
    return waited >= STARVING or (waited >= PATIENCE and not starved())


def is_starved(processes: Iterable[tuple[int, int]]) -> bool:
    """Return whether any of them, by pid and start, is ready to run."""
    found = ((read_process(pid), started) for pid, started in processes)
    return any(now is not None and now.started == started and now.state in _READY for now, started in found)
