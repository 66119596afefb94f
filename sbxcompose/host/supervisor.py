"""One row of the process list: its state, its runs, and for a managed process what happens between them.

A run ends in two steps: the keeper says that the process and all it had started are gone, then what is left
in the pipes is taken. Only after that the end is noted in the log, decided upon, recorded, and told.
"""

from __future__ import annotations

import signal as signals
from collections.abc import AsyncIterable
from contextlib import suppress
from typing import Literal

from msgspec.structs import replace

from sbxcompose.api.models import LastExit
from sbxcompose.host import chores, health, restart, rows
from sbxcompose.host.attachment import Attachment
from sbxcompose.host.checks import Checks
from sbxcompose.host.health import Health
from sbxcompose.host.home import Home, News, now_ms
from sbxcompose.host.keeper.client import (
    Adopted,
    Exited,
    KeeperLost,
    Spawn,
    Spawned,
    SpawnFailed,
)
from sbxcompose.host.output import LogStore
from sbxcompose.host.problems import Problem
from sbxcompose.host.row import Row
from sbxcompose.host.state import (
    BackingOff,
    Ending,
    Paused,
    Record,
    Run,
    Running,
    Starting,
    Stopped,
    Why,
    exit_of,
)
from sbxcompose.host.stdin import not_writable
from sbxcompose.host.timer import Timer

VALID_SIGNALS = frozenset(int(each) for each in signals.valid_signals())


class Process(Row):
    """One row, and what happens to it."""

    def __init__(self, home: Home, record: Record, log: LogStore) -> None:
        super().__init__(home, record, log)
        self._attachment: Attachment | None = None
        self._timer = Timer()
        self._checks = Checks()
        self._news = News()

    def hold(self) -> None:
        """See `source.Row`."""
        self._home.hold(self)

    def let_go(self) -> None:
        """See `source.Row`."""
        self._home.let_go(self)

    # -- a run begins --------------------------------------------------------------------------------------

    def spawn(self) -> Spawn:
        """What the keeper is to start for the run that has been asked for. Raises `Problem`."""
        spawn = self._home.spawn(self.request)
        assert self.unit is not None
        spawn.unit = self.unit
        spawn.meta = {"record": self.record.id}
        return spawn

    def started(self, spawned: Spawned | Adopted, *, number: int | None = None) -> None:
        """The run that had been asked for is there. `number` is its number, if the log has it already."""
        record, state = self.record, self.record.state
        assert isinstance(state, Starting)
        again, before = record.run is not None, self.handle
        if number is None:
            # No room for the mark is no reason not to run: the output waits in the pipe until there is.
            number = self.log.last_run
            with suppress(OSError):
                number = self.log.begin_run(spawned.at)
        record.began(number)
        open_input = spawned.stdin is not None
        record.run = Run(state.handle, spawned.pid, number, int(spawned.at * 1000), stdin_open=open_input)
        record.restarts += again
        record.state = Running()
        record.health = health.at_start(self.request.health_check)
        self._attach(spawned)
        self._changed(*([before] if again else []))

    def failed(self, words: str) -> None:
        """The run did not come about. On a restart that counts as a failed run (contract, section 3.4)."""
        self.record.last_error = words
        self._after_exit(failed=True, ran_ms=0)
        self._changed()

    def _attach(self, spawned: Spawned | Adopted) -> None:
        run = self.record.run
        assert run is not None
        self._attachment = Attachment(self.log, run.number, spawned, input_open=run.stdin_open)
        if spawned.stdin is not None and not run.stdin_open:
            chores.do(self._home.keeper.close_stdin(spawned.unit))
        self._begin_checks(int(spawned.at * 1000))

    # -- a run ends ----------------------------------------------------------------------------------------

    def exited(self, exited: Exited) -> None:
        """The process is gone, and all that it had started."""
        state, run = self.record.state, self.record.run
        if not isinstance(state, Running) or run is None:
            return
        lost = self._attachment.finish() if self._attachment is not None else None
        ended = exit_of(exited.status, int(exited.at * 1000), oom_killed=exited.oom_killed)
        self._note_end(run, ended, lost)
        why = state.ending.why if state.ending is not None else None
        if why == "stop" or not self.request.managed:
            self._rest(requested=why == "stop")
        elif why == "restart":
            self._begin_again()
        else:
            if why == "unhealthy":
                self.record.last_error = f"unhealthy: {self.record.health.last_check}"
            failed = why == "unhealthy" or ended.exit_code != 0
            self._after_exit(failed=failed, ran_ms=max(0, ended.ended_at - run.started_at))
        self._changed()
        chores.do(self._home.keeper.release(exited.unit))

    def gone(self) -> None:
        """A run whose end nobody saw: keeper and server had died, or the machine went down."""
        assert self.record.run is not None
        self._note_end(self.record.run, LastExit(ended_at=now_ms()), "the host ended while it ran")
        self._rest()
        self._changed()

    def _note_end(self, run: Run, ended: LastExit, error: str | None) -> None:
        record = self.record
        try:
            self.log.end_run(run.number, ended.exit_code, ended.signal, ended.ended_at / 1000)
        except OSError as problem:
            error = f"its end is not in its log: {(problem.strerror or str(problem)).lower()}"
        self._attachment = None
        self._checks.end()
        record.run, record.last_exit = replace(run, ended=ended, stdin_open=False), ended
        record.last_error = error

    def _after_exit(self, *, failed: bool, ran_ms: int) -> None:
        record = self.record
        match restart.after_exit(rows.policy(record), record.tally, restart.Ending(failed, ran_ms)):
            case restart.RestartAfter(delay_ms, tally):
                record.tally = tally
                self._back_off(delay_ms)
            case restart.StayDown(because):
                record.last_error = "; ".join(filter(None, (record.last_error, because))) or None
                self._rest()

    def _rest(self, *, requested: bool = False) -> None:
        self.record.state = Stopped(self.log.end, requested)

    # -- between runs --------------------------------------------------------------------------------------

    def adopt(self, adopted: Adopted) -> None:
        """Take over a run that the last server had begun, and finish what that one had begun with it."""
        if isinstance(self.record.state, Starting):
            self.started(adopted, number=self._noted(adopted))
        else:
            self._attach(adopted)
        state = self.record.state
        if adopted.exited is not None:
            self.exited(adopted.exited)
        elif self.record.attached:
            chores.do(self._home.keeper.kill(adopted.unit, signals.SIGKILL, "everything"))
        elif isinstance(state, Running) and state.ending is not None:
            grace = max(0, state.ending.deadline - now_ms()) / 1000
            chores.do(self._home.keeper.stop(adopted.unit, state.ending.signal, grace))

    def _noted(self, adopted: Adopted) -> int | None:
        """The run's number, if the last server had noted its begin in the log and not lived to record it."""
        began = round(adopted.at * 1000)
        spans = [each for each in self.log.runs() if each.end is None and not self.owns_run(each.run)]
        return next((each.run for each in spans if each.started_ms == began), None)

    def take_up(self) -> None:
        """Go on with what the last server left without a unit: a backoff, or a restart that was not begun."""
        match self.record.state:
            case BackingOff(until):
                self._back_off(restart.remaining_ms(rows.policy(self.record), until, now_ms()))
            case Paused(left_ms):
                self._back_off(left_ms)
            case Starting():
                self._begin_again()

    def pause(self) -> None:
        """The sandbox is held still: look at nothing, and let no time pass."""
        self._checks.end()
        if isinstance(self.record.state, BackingOff):
            self._timer.cancel()
            self.take_up()
            self._changed()

    def go_on(self) -> None:
        """It is not any more: wait for what was left, and take the run's health as that of one that has just begun."""
        if isinstance(self.record.state, Paused):
            self.take_up()
            self._changed()
        elif isinstance(self.record.state, Running) and self.request.health_check is not None:
            self.record.health = health.at_start(self.request.health_check)
            self._changed()
            self._begin_checks(now_ms())

    def _back_off(self, delay_ms: int) -> None:
        if self._home.paused:
            self.record.state = Paused(delay_ms)
        else:
            self.record.state = BackingOff(now_ms() + delay_ms)
            self._timer.set(delay_ms / 1000, self._begin_again)

    def _begin_again(self) -> None:
        self._timer.cancel()
        if self._home.paused:
            self.record.state = Paused(0)
        else:
            self.record.state = Starting(self._home.next_handle())
            chores.do(self._spawn_again())

    async def _spawn_again(self) -> None:
        try:
            self._home.save(self.record)
            await self._home.keeper.spawn_many([self.spawn()], self._spawned)
        except (KeeperLost, Problem) as error:
            self.failed(str(error))
        except OSError as error:
            self.failed(f"not started: {(error.strerror or str(error)).lower()}")

    def _spawned(self, _: int, result: Spawned | SpawnFailed) -> None:
        if isinstance(result, SpawnFailed):
            self.failed(result.message)
        else:
            self.started(result)

    # -- what people ask for -------------------------------------------------------------------------------

    async def stop(self, signal: int | None = None, grace_ms: int | None = None) -> None:
        """End it and its supervision; returns when it is gone. A signal and grace of None are as it was
        started with.

        Without a signal an unmanaged process is killed at once. One that has ended stays as it is.
        """
        await self._settled()
        if isinstance(self.record.state, BackingOff | Paused):
            self._timer.cancel()
            self._rest(requested=True)
            self._changed()
        elif isinstance(self.record.state, Running) and (self.request.managed or signal is not None):
            await self._ask_to_end("stop", signal, grace_ms)
            await self._over()
        else:
            await self.kill()

    async def kill(self) -> None:
        """End its run and all that it started at once, and its supervision; returns when it is gone."""
        if isinstance(self.record.state, Running):
            self.record.state = Running(Ending("stop", signals.SIGKILL, now_ms()))
            self._checks.end()
            self._changed()
            await self._home.keeper.kill(self._home.unit(self.handle), signals.SIGKILL, "everything")
            await self._over()

    async def restart(self) -> None:
        """Give it a new run, without backoff; returns when that has begun. Raises `Problem`."""
        if not self.request.managed:
            raise Problem(400, f"process {self._pid()} is not managed and cannot be restarted", "NOT_MANAGED")
        await self._settled()
        before = self.handle
        if isinstance(self.record.state, Running):
            await self._ask_to_end("restart", None, None)
        else:
            self._begin_again()
            self._changed()
        await self._over()
        if self.handle == before:
            raise Problem(500, self.record.last_error or "it was stopped meanwhile", "NOT_STARTED")

    async def signal(self, number: int) -> None:
        """Send a signal to the process group; SIGKILL reaches also what has left it. Raises `Problem`."""
        if number not in VALID_SIGNALS:
            raise Problem(400, f"invalid signal {number}", "INVALID_SIGNAL")
        if not isinstance(self.record.state, Running):
            raise Problem(400, f"process {self._pid()} is not running", "NOT_RUNNING")
        scope: Literal["group", "everything"] = "everything" if number == signals.SIGKILL else "group"
        if not await self._home.keeper.kill(self._home.unit(self.handle), number, scope):
            words = f"process {self._pid()} cannot be signalled: it has just ended, or runs as another user"
            raise Problem(400, words, "NOT_RUNNING")

    async def write(self, pieces: AsyncIterable[bytes]) -> None:
        """Write to its standard input. Raises `Problem`."""
        if self._attachment is None or self._attachment.input is None:
            raise not_writable()
        await self._attachment.input.write(pieces)

    async def close_input(self) -> None:
        """Close its standard input. Raises `Problem` if that has happened already."""
        run = self.record.run
        if run is None or self._attachment is None or not self._attachment.close_input():
            raise not_writable()
        self.record.run = replace(run, stdin_open=False)
        self._changed()
        await self._home.keeper.close_stdin(self._home.unit(run.handle))

    async def ended(self) -> None:
        """Wait until nothing of it runs or will."""
        await self._news.until(lambda: not self.live)

    async def _settled(self) -> None:
        await self._news.until(lambda: not isinstance(self.record.state, Starting))

    async def _over(self) -> None:
        """Wait until the current run is over and nothing takes its place, or another one has."""
        before = self.handle
        await self._news.until(lambda: self.handle != before or not self.alive)

    async def _ask_to_end(self, why: Why, signal: int | None, grace_ms: int | None) -> None:
        """Ask the run to end. A later wish changes why, and can shorten the time; it never prolongs it."""
        state = self.record.state
        if not isinstance(state, Running) or (state.ending is not None and why == "unhealthy"):
            return
        number = self.request.stop_signal if signal is None else signal
        grace = self.request.stop_grace_ms if grace_ms is None else grace_ms
        deadline = now_ms() + grace
        if state.ending is not None:
            deadline = min(deadline, state.ending.deadline)
        self.record.state = Running(Ending(why, number, deadline))
        self._checks.end()
        self._changed()
        await self._home.keeper.stop(self._home.unit(self.handle), number, grace / 1000)

    def _pid(self) -> str:
        return str(self.record.run.pid) if self.record.run is not None else ""

    # -- health --------------------------------------------------------------------------------------------

    def _begin_checks(self, started_at: int) -> None:
        config, state = self.request.health_check, self.record.state
        running = isinstance(state, Running) and state.ending is None
        if config is not None and running and not self._home.paused:
            self._checks.begin(config, self.record.health, started_at, self._checked, self._home.namespace)

    def _checked(self, after: Health) -> None:
        self.record.health = after
        self._changed()
        if after.status == "unhealthy":
            chores.do(self._ask_to_end("unhealthy", None, None))

    # -- waking up -----------------------------------------------------------------------------------------

    def _changed(self, *before: int) -> None:
        """Record the change and tell it; wake whoever waits for it, to look again."""
        self._home.changed(self, *before)
        self._news.tell()
