"""The clock of what is recorded and shown, the time of day. Deadlines are by the monotonic one (`time.monotonic`)."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
