"""The rules of terminal sessions: sizes, limits, codes (contract, section 5); pure."""

from __future__ import annotations

import os

MAX_SESSIONS = 64
"""Sessions that may be alive in one sandbox."""
MAX_INPUT = 1024 * 1024
"""Bytes of input that one socket may send within a second."""
MAX_WAITING = 1024 * 1024
"""Bytes that may wait for a socket that is not ready yet."""
MAX_LAG = 256 * 1024
"""Bytes that a socket may be behind before the terminal waits for it."""
LAG_PATIENCE = 10.0
"""Seconds for which the terminal waits for a socket that takes nothing at all."""
UNWATCHED = 300.0
"""Seconds after which a session without any socket is ended."""
UNVISITED = 10.0
"""The same of a session that lives for its socket (`end_unwatched`), before the first one has come."""
ABANDONED = 3.0
"""The same after the last one has gone."""
REMEMBERED = 60.0
"""Seconds for which an ended session can still be asked for."""
GRACE = 5.0
"""Seconds from SIGHUP to SIGKILL."""
UNKNOWN_EXIT = 255
"""Exit code of a command whose end was not observed."""

_MAX_ROWS, _MAX_COLS = 500, 1000


def clamp(rows: int, cols: int) -> tuple[int, int]:
    """Check a terminal's size as it is given."""
    return min(max(rows, 1), _MAX_ROWS), min(max(cols, 1), _MAX_COLS)


def exit_code(status: int | None) -> int:
    """Return the exit code that a wait status stands for, 128 + n for a death by signal n, as shells have it."""
    if status is None:
        return UNKNOWN_EXIT
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


class InputRate:
    """How much has come within the last second."""

    def __init__(self) -> None:
        self._since = 0.0
        self._size = 0

    def exceeds_rate(self, size: int, now: float) -> bool:
        """Count `size` bytes that came at `now` (seconds); whether that is too much."""
        if now - self._since >= 1.0:
            self._since, self._size = now, 0
        self._size += size
        return self._size > MAX_INPUT
