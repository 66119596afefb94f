"""Readiness: what a dependent waits for, seen as soon as it is so (design, section 4).

A health check is the supervisor's; its row says how it stands. A line of output and a command are looked at here.
A wait ends with `ProcessFailed` once what it waits for cannot come any more.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from sbxcompose.api import follow
from sbxcompose.api.models import StartRequest
from sbxcompose.api.sandbox import Env
from sbxcompose.engine.link import Link
from sbxcompose.engine.requests import log_name
from sbxcompose.engine.watching import watch_of
from sbxcompose.errors import ProcessFailed
from sbxcompose.plan.observed import Instance, Phase, Row
from sbxcompose.spec.project import Condition, Process, ReadyCommand, ReadyLine

CRASHES = 5
"""So many failed runs in a row without having been ready end a wait: a crash loop would hold `up` for ever."""

FIRST_PAUSE = 0.004
LONGEST_PAUSE = 1.0
"""Seconds between two tries of a readiness command: a fortieth of the time waited so far, between these two."""


CommandRequest = Callable[[Process, Instance, tuple[str, ...]], tuple[StartRequest, Env]]


class LineWatch:
    """Looks in an instance's output for a line that matches, from the moment it is made."""

    def __init__(self, link: Link, instance: Instance, pattern: str) -> None:
        self._link = link
        self._instance = instance
        self._pattern = re.compile(pattern.encode())
        self._rest: dict[tuple[int, int], bytes] = {}
        self.seen = asyncio.Event()
        link.listen(self._look)

    def close(self) -> None:
        """Stop looking."""
        if not self.seen.is_set():
            self._link.unlisten(self._look)

    def _look(self, instance: Instance, stream: int, run: int, time_ms: int, data: bytes) -> None:
        if instance != self._instance:
            return
        text = self._rest.get((run, stream), b"") + data
        if self._pattern.search(text):
            self._link.unlisten(self._look)
            self.seen.set()
        # A match may be cut by the end of a chunk; only the line under way has to be kept.
        self._rest[run, stream] = text[text.rfind(b"\n") + 1 :][-65536:]


class Readiness:
    """Waits for conditions of the instances of one sandbox; `command_request` makes the request for a command."""

    def __init__(self, link: Link, command_request: CommandRequest) -> None:
        self._link = link
        self._command_request = command_request
        self._lines: dict[Instance, LineWatch] = {}
        self._checks: dict[Instance, str] = {}
        self._probes: dict[tuple[Instance, int], _Probe] = {}

    def last_check(self, instance: Instance) -> str | None:
        """What the last failed readiness command of an instance said; None once it has succeeded."""
        return self._checks.get(instance)

    def expect(self, process: Process, instance: Instance) -> None:
        """To be called before a start, so that no line of its output is missed."""
        if instance in self._lines:
            self._lines.pop(instance).close()
        if isinstance(process.ready_when, ReadyLine):
            self._lines[instance] = LineWatch(self._link, instance, process.ready_when.pattern)

    async def wait(self, process: Process, instance: Instance, condition: Condition) -> None:
        """Wait until the instance has reached the condition. Raises `ProcessFailed` when it no longer can."""
        patience = _Patience(self._row(process, instance))
        if condition is Condition.COMPLETED:
            await self._link.until(instance, lambda: patience.completed(self._row(process, instance)))
            return
        never: asyncio.Future[None] = asyncio.ensure_future(
            self._link.until(instance, lambda: patience.lost(self._row(process, instance)))
        )
        ready = asyncio.ensure_future(self._ready(process, instance, condition))
        try:
            await asyncio.wait({never, ready}, return_when=asyncio.FIRST_COMPLETED)
            (ready if ready.done() else never).result()
        finally:
            never.cancel()
            ready.cancel()
            await asyncio.gather(never, ready, return_exceptions=True)

    def _row(self, process: Process, instance: Instance) -> Row | None:
        return self._link.row(instance, process.digest)

    async def _ready(self, process: Process, instance: Instance, condition: Condition) -> None:
        await self._link.until(instance, lambda: _alive(self._row(process, instance)))
        if condition is Condition.STARTED:
            return
        if process.health_check is not None:
            await self._link.until(instance, lambda: _healthy(self._row(process, instance)))
        match process.ready_when:
            case ReadyLine(pattern):
                await self._line(process, instance, pattern)
            case ReadyCommand(command):
                await self._command(process, instance, command)
            case None:
                pass

    async def _line(self, process: Process, instance: Instance, pattern: str) -> None:
        watch = self._lines.get(instance)
        if watch is not None:
            await watch.seen.wait()
            return
        row = self._row(process, instance)
        await line_in_log(self._link, instance, row.run if row else 1, pattern)

    async def _command(self, process: Process, instance: Instance, command: tuple[str, ...]) -> None:
        """Wait for the readiness command to succeed; whoever else waits for the same shares the tries."""
        row = self._row(process, instance)
        key = (instance, row.run if row else 0)
        probe = self._probes.get(key)
        if probe is None or probe.task.done():
            probe = self._probes[key] = _Probe(asyncio.ensure_future(self._try(process, instance, command)))
        probe.users += 1
        try:
            await asyncio.shield(probe.task)
        finally:
            probe.users -= 1
            if not probe.users:
                probe.task.cancel()
                self._probes.pop(key, None)

    async def _try(self, process: Process, instance: Instance, command: tuple[str, ...]) -> None:
        request, base = self._command_request(process, instance, command)
        begun = time.monotonic()
        said: list[str] = []
        while True:
            end = await self._link.client.run(request, base, output=lambda line: said.append(line.text))
            if end.exit_code == 0:
                self._checks.pop(instance, None)
                return
            words = f"exited with code {end.exit_code}" if end.signal is None else f"killed by signal {end.signal}"
            self._checks[instance] = f"{' '.join(command)}: {said[-1] if said else words}"
            said.clear()
            await asyncio.sleep(min(max((time.monotonic() - begun) / 40, FIRST_PAUSE), LONGEST_PAUSE))


class _Probe:
    """The tries of one readiness command, and how many wait for them."""

    def __init__(self, task: asyncio.Future[None]) -> None:
        self.task = task
        self.users = 0


class _Patience:
    """Whether what is waited for can still come, counting from the row as it was when the wait began."""

    def __init__(self, row: Row | None) -> None:
        restarts = row.restarts if row is not None and row.live else 0
        in_a_loop = restarts >= CRASHES and row is not None and row.phase is not Phase.RUNNING
        # What has been crashing for long gets one more run, not five more.
        self._least = restarts + (1 if in_a_loop else CRASHES)
        self._restarts = 0 if in_a_loop else restarts

    def completed(self, row: Row | None) -> bool | None:
        """True once it has completed; raises `ProcessFailed` once it cannot any more."""
        if row is not None and not row.live and row.exit is not None and row.exit.success:
            return True
        self.lost(row)
        return None

    def lost(self, row: Row | None) -> None:
        """Raises `ProcessFailed` once the row has ended for good or has crashed too often."""
        if row is None:
            return
        if not row.live:
            raise ProcessFailed(f"{label(row.instance)} {row_end(row)}")
        if row.restarts >= self._least and row.phase is Phase.BACKING_OFF:
            times = row.restarts - self._restarts + 1
            raise ProcessFailed(f"{label(row.instance)} has failed {times} times in a row: it {row_end(row)}")


async def line_in_log(link: Link, instance: Instance, run: int, pattern: str) -> None:
    """Wait until a line of run `run`, kept or still to come, matches. A run whose beginning is gone counts as ready."""
    found = re.compile(pattern.encode())
    rest: dict[int, bytes] = {}
    watch = watch_of(link.client, states=False, logs=[{"log": log_name(instance), "run": run}])
    async for event in watch.events():
        match event:
            case follow.Lost():
                return
            case follow.Output(_, stream, _, _, data):
                text = rest.get(stream, b"") + data
                if found.search(text):
                    return
                rest[stream] = text[text.rfind(b"\n") + 1 :][-65536:]


def _alive(row: Row | None) -> bool | None:
    return True if row is not None and row.live and row.phase is not Phase.BACKING_OFF else None


def _healthy(row: Row | None) -> bool | None:
    return True if row is not None and row.phase is Phase.RUNNING else None


def label(instance: Instance) -> str:
    """`web`, or `web.2` for a second replica."""
    return instance.process if instance.replica == 1 else f"{instance.process}.{instance.replica}"


def row_end(row: Row) -> str:
    """How an ended row ended, in words that follow its name."""
    if row.phase is Phase.STOPPED:
        return "was stopped"
    words = str(row.exit) if row.exit is not None else "ended"
    return f"{words} ({row.last_error})" if row.last_error else words


def own_words(message: str) -> str:
    """The host's words on a process without the managed name that stands before them."""
    name, colon, rest = message.partition(": ")
    return rest if colon and " " not in name else message
