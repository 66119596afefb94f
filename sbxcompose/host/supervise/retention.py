"""Which ended rows a sandbox keeps: the latest ones, and those that have a reader."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from sbxcompose.host.supervise.process import SupervisedProcess

KEPT_UNNAMED = 50
"""Ended rows without a name that a sandbox keeps; older ones go, with their output."""
KEPT_PER_LOG = 10
"""Ended named rows that are kept of those that share a log: former configurations of one process."""


class EndedRows:
    """The ended rows in the order in which they ended; `drop` is called for each that goes."""

    def __init__(self, drop: Callable[[SupervisedProcess], None]) -> None:
        self._drop = drop
        self._ended: dict[str | None, deque[SupervisedProcess]] = {}
        self._held: Counter[int] = Counter()

    def add(self, process: SupervisedProcess) -> None:
        """Add a row that has come to rest. One that is added again is the latest again."""
        ended = self._ended.setdefault(_kind(process), deque())
        if process in ended:
            ended.remove(process)
        ended.append(process)

    def remove(self, process: SupervisedProcess) -> None:
        """Forget a row."""
        ended = self._ended.get(_kind(process), deque())
        if process in ended:
            ended.remove(process)

    def hold(self, process: SupervisedProcess) -> None:
        """Keep a row, until `release` as often."""
        self._held[process.record.id] += 1

    def release(self, process: SupervisedProcess) -> None:
        """Undo one `hold`."""
        number = process.record.id
        self._held[number] -= 1
        if self._held[number] <= 0:
            del self._held[number]
        self.prune(process)

    def prune(self, process: SupervisedProcess) -> None:
        """Drop what is too many of the kind of that row."""
        kind = _kind(process)
        ended = self._ended.get(kind, deque())
        surplus = len(ended) - (KEPT_UNNAMED if kind is None else KEPT_PER_LOG)
        for earlier in list(ended) if surplus > 0 else ():
            if earlier.live:
                ended.remove(earlier)
                surplus -= 1
            elif surplus > 0 and earlier.record.id not in self._held:
                ended.remove(earlier)
                surplus -= 1
                self._drop(earlier)


def _kind(process: SupervisedProcess) -> str | None:
    return process.record.log if process.request.name is not None else None
