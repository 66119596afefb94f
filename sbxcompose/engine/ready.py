"""Readiness: what a dependent waits for, seen as soon as it is so.

A health check is the supervisor's; its row says how it stands. A line of output and a command are looked at here.
A wait ends with `RunFailed` once what it waits for can no longer come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.api.models import Env, StartRequest
from sbxcompose.clock import monotonic
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.errors import ProcessFailed, SbxError
from sbxcompose.names import parse_name
from sbxcompose.plan.describe import ended
from sbxcompose.plan.names import shown_name
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase
from sbxcompose.plan.stability import CRASH_LOOP, counts_in, crash_loop_text, in_crash_loop, stable_in, stop_counts_in
from sbxcompose.spec.project import Condition, Process, ReadyCommand, ReadyLine
from sbxcompose.tasks import SharedWork, run_until

if TYPE_CHECKING:
    from sbxcompose.engine.ready_lines import LineWatch

T = TypeVar("T")


class RunFailed(ProcessFailed):
    """What is waited for can no longer come, as `row` showed: by now there may be another run."""

    def __init__(self, row: ObservedRow, words: str) -> None:
        super().__init__(f"{label(row.instance)} {words}")
        self.row = row


CommandRequest = Callable[[Process, Instance, tuple[str, ...]], tuple[StartRequest, Env]]


class _ReadyRun(Struct, frozen=True):
    """What a run must show to be ready: its health, a line or a command; `lasting`: that it is stable."""

    healthy: bool
    shown: ReadyLine | ReadyCommand | None
    lasting: bool


def _wanted_of(process: Process, condition: Condition, *, stable: bool) -> _ReadyRun:
    if condition is not Condition.READY:
        return _ReadyRun(healthy=False, shown=None, lasting=False)
    has_check = process.ready_when is not None or process.health_check is not None
    return _ReadyRun(process.health_check is not None, process.ready_when, stable and not has_check)


class Readiness:
    """Waits for conditions of the instances of one sandbox; `command_request` makes the request for a command.

    `began` is when the command did, by its clock: what has failed since then must become stable. `may_recover`: whether
    a crash loop is waited out, for as long as the supervisor tries.
    """

    def __init__(
        self,
        connection: SandboxConnection,
        command_request: CommandRequest,
        began: float,
        may_recover: Callable[[], bool] = lambda: False,
    ) -> None:
        self._connection = connection
        self._command_request = command_request
        self._began = began
        self._may_recover = may_recover
        self._lines: dict[Instance, LineWatch] = {}
        self._checks: dict[Instance, str] = {}
        self._probes: dict[tuple[Instance, int], SharedWork[None]] = {}
        self._restarts: dict[Instance, int] = {}
        """The restarts that an instance had when it was first waited for; none of what we started."""

    def last_check(self, instance: Instance) -> str | None:
        """Return what the last failed readiness command of an instance said; None once it has succeeded."""
        return self._checks.get(instance)

    def expect(self, process: Process, instance: Instance) -> None:
        """To be called before a start, so that no line of its output is missed."""
        self._restarts[instance] = 0
        self.include_kept_output(instance)
        if isinstance(process.ready_when, ReadyLine):
            from sbxcompose.engine.ready_lines import LineWatch

            self._lines[instance] = LineWatch(self._connection, instance, process.ready_when.pattern)

    def include_kept_output(self, instance: Instance) -> None:
        """Look for its line in what is kept, too: it was started elsewhere, perhaps before its output was followed."""
        if instance in self._lines:
            self._lines.pop(instance).abandon()

    async def wait(
        self, process: Process, instance: Instance, condition: Condition, *, stable: bool = False
    ) -> ObservedRow:
        """Wait until the instance has reached the condition, and return its row as it was then.

        `stable`: a run without a check must have lasted, whether or not one has failed before. Raises `RunFailed` when
        it no longer can.
        """
        row = self._row(process, instance)
        before = self._restarts.setdefault(instance, row.restarts if row is not None and row.live else 0)
        if condition is Condition.COMPLETED:
            return await self._until(process, instance, lambda: self._completed(process, instance, before))
        if condition is Condition.ENDED:
            return await self._until(process, instance, lambda: self._ended(process, instance))
        raises_when_lost: Coroutine[Any, Any, None] = self._until(
            process,
            instance,
            lambda: self._lost(process, instance, before, stable_is_good=process.ready_when is None),
        )
        wanted = _wanted_of(process, condition, stable=stable)
        ready = await run_until(self._ready(process, instance, wanted), raises_when_lost)
        assert ready is not None
        return ready

    async def _until(self, process: Process, instance: Instance, decide: Callable[[], T | None]) -> T:
        """As `SandboxConnection.until`, but a stop is an end only if no other command has restarted it soon after."""
        while True:
            try:
                return await self._connection.wait_until(instance, decide)
            except RunFailed as failed:
                if not await self._is_restarted(process, failed.row):
                    raise

    async def _is_restarted(self, process: Process, stopped: ObservedRow) -> bool:
        left = stop_counts_in(stopped, self._connection.clock.now())
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                return await self._connection.wait_until(
                    stopped.instance, lambda: self._row(process, stopped.instance) != stopped or None
                )
        return False

    def _row(self, process: Process, instance: Instance) -> ObservedRow | None:
        return self._connection.row(instance, process.digest)

    def _completed(self, process: Process, instance: Instance, before: int) -> ObservedRow | None:
        """Return the row once it has completed; raises `RunFailed` once it no longer can."""
        row = self._row(process, instance)
        if row is not None and row.ended_well:
            return row
        self._lost(process, instance, before, stable_is_good=False)
        return None

    def _ended(self, process: Process, instance: Instance) -> ObservedRow | None:
        """Return the row once it has ended for good, well or not; raises `RunFailed` if it was stopped."""
        row = self._row(process, instance)
        if row is not None and row.phase is Phase.STOPPED:
            raise RunFailed(row, row_end(row))
        return row if row is not None and row.phase is Phase.EXITED else None

    def _lost(self, process: Process, instance: Instance, before: int, *, stable_is_good: bool) -> None:
        """Raise `RunFailed` once the instance has ended for good, or is in a crash loop.

        Not `stable_is_good`: a run that lasted may have failed all the same, and no row tells.
        """
        row = self._row(process, instance)
        if row is None:
            return
        if not row.live:
            raise RunFailed(row, row_end(row))
        if self._may_recover():
            return
        failed = row.failed_runs if in_crash_loop(row, self._began, self._connection.clock.now()) else 0
        if row.phase is Phase.BACKING_OFF and not stable_is_good:
            failed = max(failed, row.restarts - before + 1)
        if failed >= CRASH_LOOP:
            raise RunFailed(row, crash_loop_text(row, failed))

    async def _ready(self, process: Process, instance: Instance, wanted: _ReadyRun) -> ObservedRow:
        """Wait until a run of the instance is ready: if one ends before that, for the next one."""
        while True:
            row = await self._connection.wait_until(instance, lambda: _alive(self._row(process, instance)))
            if await self._gets_ready(process, row, wanted):
                self._restarts[instance] = row.restarts + 1
                return row

    async def _gets_ready(self, process: Process, row: ObservedRow, wanted: _ReadyRun) -> bool:
        """Wait until the run that `row` shows is ready, or is over."""
        over = self._connection.wait_until(row.instance, lambda: self._is_over(process, row))
        try:
            await run_until(self._run_ready(process, row, wanted), over)
        except SbxError:
            # A check may have failed because its run has just ended; then the next run is waited for.
            if not self._is_over(process, row):
                raise
        return not self._is_over(process, row)

    def _is_over(self, process: Process, row: ObservedRow) -> bool | None:
        """Return True once the run that `row` shows has ended; for `SandboxConnection.until`."""
        now = self._row(process, row.instance)
        same = now is not None and (now.name, now.run) == (row.name, row.run) and _alive(now) is not None
        return None if same else True

    async def _run_ready(self, process: Process, row: ObservedRow, wanted: _ReadyRun) -> None:
        """Wait until the run that `row` shows is ready."""
        instance = row.instance
        if wanted.healthy:
            await self._connection.wait_until(instance, lambda: _healthy(self._row(process, instance)))
        match wanted.shown:
            case ReadyLine(pattern):
                await self._line(row, pattern)
            case ReadyCommand(command):
                await self._command(process, row, command)
        await self._stable(row, wanted.lasting)

    async def _stable(self, row: ObservedRow, lasting: bool) -> None:
        """Wait until a run counts whose check has succeeded, or that has none; `lasting`: until it is stable."""
        clock = self._connection.clock
        while left := stable_in(row, clock.now()) if lasting else counts_in(row, self._began, clock.now()):
            await asyncio.sleep(left)

    async def _line(self, row: ObservedRow, pattern: str) -> None:
        watch = self._lines.get(row.instance)
        if watch is not None and await watch.saw(row.run):
            return
        from sbxcompose.engine.ready_lines import line_in_log

        await line_in_log(self._connection, row.instance, row.run, pattern)

    async def _command(self, process: Process, row: ObservedRow, command: tuple[str, ...]) -> None:
        """Wait for the readiness command to succeed; whoever else waits for the same shares the tries."""
        key = (row.instance, row.run)
        probe = self._probes.get(key)
        if probe is None or probe.done:
            probe = self._probes[key] = SharedWork(self._try(process, row.instance, command))
        await probe.wait()

    async def _try(self, process: Process, instance: Instance, command: tuple[str, ...]) -> None:
        from sbxcompose.api.check_pace import next_try_in  # late, as the next: few processes have such a command
        from sbxcompose.command_line import command_line

        request, base = self._command_request(process, instance, command)
        request = replace(request, beside=None)  # no one-off command, which `down` would stop
        begun = monotonic()
        said: list[str] = []
        while True:
            tried = monotonic()
            end = await self._connection.client.run(request, base, output=lambda line: said.append(line.text))
            if end.exit_code == 0:
                self._checks.pop(instance, None)
                return
            how = Exit(end.exit_code, end.signal, end.oom_killed, oom_kills=end.oom_kills)
            words = str(how).removeprefix("was ")
            self._checks[instance] = f"{command_line(command)}: {said[-1] if said else words}"
            said.clear()
            now = monotonic()
            await asyncio.sleep(next_try_in(now - begun, now - tried))


def _alive(row: ObservedRow | None) -> ObservedRow | None:
    return row if row is not None and row.live and row.pid is not None else None


def _healthy(row: ObservedRow | None) -> bool | None:
    return True if row is not None and row.phase is Phase.RUNNING else None


def label(instance: Instance) -> str:
    """`web`, or `web.2` for a second replica."""
    name = shown_name(instance.process)
    return name if instance.replica == 1 else f"{name}.{instance.replica}"


def row_end(row: ObservedRow) -> str:
    """Return how an ended row ended, in words that follow its name."""
    if row.phase is Phase.STOPPED:
        return "was stopped"
    return ended(row) if row.exit is not None else "ended"


def message_without_name(message: str) -> str:
    """Return the host's words without the managed name, or the route, that stands before them."""
    subject, _, rest = message.partition(": ")
    return rest if parse_name(subject) is not None or subject.startswith("/api/") else message
