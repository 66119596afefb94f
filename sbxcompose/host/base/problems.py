"""Why the host refuses something, as its clients are told (contract, sections 3.6 and 7.1)."""

from __future__ import annotations

import errno
import os
from typing import Any

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class Problem(Exception):
    """An answer that is not good: HTTP status, a sentence, the contract's word for it, and a way out if there
    is one.

    The statuses 502, 503 and 504 are never used for the contract's own calls: clients take them for "nothing was
    done" and repeat the request. Tunnels and user ports, which are not repeated, have them.
    """

    def __init__(
        self,
        status: int,
        error: str,
        code: str | None = None,
        hint: str | None = None,
        *,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(error)
        self.more = more or {}
        self.status = status
        self.error = error
        self.code = code
        self.hint = hint

    def body(self) -> dict[str, Any]:
        """Return what is sent."""
        told = {"error": self.error, "code": self.code, "hint": self.hint, **self.more}
        return {name: value for name, value in told.items() if value is not None}


def unknown_process(process: str) -> Problem:
    """404 for a PID or name that no row has."""
    return Problem(404, f"Process {process} not found", "NOT_FOUND")


def from_os(error: OSError, doing: str) -> Problem:
    """500 for what the operating system does not let the host do itself."""
    words = os.strerror(error.errno).lower() if error.errno else str(error)
    if error.errno in NO_SPACE:
        place = f": {error.filename}" if error.filename else ""
        return Problem(
            500, f"{doing}: {words}{place}", "NO_SPACE", "free space on the disk that holds the host's state"
        )
    return Problem(500, f"{doing}: {words}", "INTERNAL_ERROR")
