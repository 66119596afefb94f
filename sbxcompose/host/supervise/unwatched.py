"""Processes that live for whoever watches their output: ended once nothing has watched them for a while.

A client that is killed cannot end what it has started; the host sees that its connection is gone.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable

from sbxcompose.host.base.absence import IdleTimer
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.tasks import TaskOwner

FIRST_PATIENCE = 10.0
"""Seconds for the first watch to come, or to come back after a restart of the server, on a loaded machine too."""
PATIENCE = 3.0
"""Seconds after the last watch has gone."""
GRACE_MS = 2000
"""Milliseconds from SIGHUP to SIGKILL."""


class WatcherTimeouts:
    """Counts who watches. `paused` says whether the sandbox is suspended, where no time passes."""

    def __init__(self, paused: Callable[[], bool], tasks: TaskOwner) -> None:
        self._tasks = tasks
        self._paused = paused
        self._watching: Counter[int] = Counter()
        self._timers: dict[int, IdleTimer] = {}

    def hold(self, process: SupervisedProcess) -> None:
        """Count one more that watches it."""
        self._watching[process.record.id] += 1
        self.check(process)

    def release(self, process: SupervisedProcess) -> None:
        """Count one less."""
        number = process.record.id
        self._watching[number] -= 1
        if self._watching[number] <= 0:
            del self._watching[number]
        self.check(process, PATIENCE)

    def check(self, process: SupervisedProcess, patience: float = FIRST_PATIENCE) -> None:
        """Begin to wait, or stop waiting, according to how the process is now."""
        number = process.record.id
        waits = process.request.end_unwatched and process.alive and number not in self._watching
        if waits and number not in self._timers:
            self._timers[number] = IdleTimer(patience, lambda: self._end(process))
        elif not waits and number in self._timers:
            self._timers.pop(number).cancel()

    def _end(self, process: SupervisedProcess) -> None:
        del self._timers[process.record.id]
        if self._paused():
            self.check(process)
        else:
            # As a terminal does that is closed: its client is gone.
            self._tasks.start(process.stop(signal.SIGHUP, GRACE_MS))
