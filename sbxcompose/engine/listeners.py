"""What a connection to a sandbox calls: for output, for the pace of its reader, for notes of starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from sbxcompose.api.frames import StartNote
from sbxcompose.plan.observed import Instance


class OutputSink(Protocol):
    """Where output goes: whole chunks, cut anywhere, in order for each instance and stream."""

    def __call__(self, instance: Instance, stream: int, run: int, time_ms: int, data: bytes) -> None:
        """`stream` is 1 for standard output and 2 for standard error; `time_ms` since 1970."""


Pace = Callable[[], Awaitable[None]]
"""Called after each piece of output: returns when its reader can take more."""


Noted = Callable[[Instance, StartNote], None]
