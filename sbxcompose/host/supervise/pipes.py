"""What ties the server to a run that is alive: its output, on the way to the log, and its input."""

from __future__ import annotations

import os
from collections.abc import Callable

from sbxcompose.host.base.pipe_writer import Input
from sbxcompose.host.keeper.client import Adopted, Spawned
from sbxcompose.host.logs.pump import Pump
from sbxcompose.host.logs.segments import STDERR, STDOUT
from sbxcompose.host.logs.store import LogStore


class RunPipes:
    """The descriptors of one run, which it owns. `input` is None where there is nothing to write to.

    `on_blocked` is called when `blocked` has changed.
    """

    def __init__(
        self,
        log: LogStore,
        number: int,
        run: Spawned | Adopted,
        *,
        input_open: bool,
        tty: bool = False,
        on_blocked: Callable[[], None] = lambda: None,
    ) -> None:
        self._tty = tty
        streams = ((STDOUT, run.stdout), (STDERR, run.stderr))
        self._pumps = [Pump(log, stream, number, fd, on_blocked) for stream, fd in streams if fd is not None]
        self.input = Input(run.stdin) if run.stdin is not None and input_open else None
        if run.stdin is not None and not input_open:
            os.close(run.stdin)

    @property
    def blocked(self) -> str | None:
        """Why its output cannot be written to its log now; None if it can."""
        return next((pump.blocked for pump in self._pumps if pump.blocked is not None), None)

    def close_input(self) -> bool:
        """Close the input; False if there was none. At a terminal that is a Ctrl-D: it stays open for the output."""
        if self.input is None:
            return False
        self.input.close(b"\x04" if self._tty else b"")
        self.input = None
        return True

    def finish(self) -> str | None:
        """Take what is left of the output of a process that has ended, and close. Return what was lost, if anything."""
        lost = [words for pump in self._pumps if (words := pump.finish())]
        self.close_input()
        return lost[0] if lost else None
