"""What becomes of terminal sessions over time: unwatched, ended, read by nobody; with a keeper that starts nothing."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sbxcompose.api.models import StartRequest
from sbxcompose.api.pty import PtyRequest
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper.client import Adopted, Exited, KeeperClient, Spawn, Spawned, SpawnFailed, SpawnLost
from sbxcompose.host.terminals import session as terminal_module
from sbxcompose.host.terminals import sessions as module
from sbxcompose.host.terminals.session import Terminal
from sbxcompose.host.terminals.sessions import TerminalSessions
from sbxcompose.tasks import TaskOwner


class FakeKeeper:
    """Gives out terminals in which nothing runs, and ends "commands" when it is asked to."""

    def __init__(self) -> None:
        self.tasks = TaskOwner()
        self.stops: list[tuple[int, float]] = []
        self.released: list[str] = []
        self.slaves: dict[str, int] = {}
        self.terminals: TerminalSessions
        self.failure: SpawnFailed | None = None
        self.identity = "keeper"

    async def spawn(self, spawn: Spawn) -> Spawned:
        if self.failure is not None:
            raise self.failure
        master, self.slaves[spawn.unit] = os.openpty()
        os.set_blocking(master, False)
        return Spawned(spawn.unit, 4321, 0.0, stdout=master)

    async def stop(self, unit: str, number: int, grace: float) -> bool:
        self.stops.append((number, grace))
        self.end(unit)
        return True

    async def release(self, unit: str) -> None:
        self.released.append(unit)

    def end(self, unit: str, status: int | None = 0) -> None:
        os.close(self.slaves.pop(unit))
        assert self.terminals.exited(Exited(unit, 4321, status, 1.0))


def with_terminals(directory: Path, work: Callable[[TerminalSessions, FakeKeeper], Awaitable[None]]) -> int:
    """Run `work` in a loop of its own; how often a command was told to have begun or ended."""
    changes = 0

    def emit() -> None:
        nonlocal changes
        changes += 1

    def describe(request: StartRequest) -> Spawn:
        return Spawn("", [request.command, *request.args], dict(request.env))

    async def main() -> None:
        keeper = FakeKeeper()
        keeper.terminals = TerminalSessions("box", directory, cast(KeeperClient, keeper), describe, emit)
        await work(keeper.terminals, keeper)
        for slave in keeper.slaves.values():
            os.close(slave)
        keeper.terminals.closed()

    asyncio.run(main())
    return changes


async def gone(terminals: TerminalSessions) -> None:
    """Wait until no session is remembered."""
    while list(terminals):
        await asyncio.sleep(0)


def unit(terminal: Terminal) -> str:
    return f"box.pty.{terminal.record.session_id}"


def test_an_unwatched_session_is_ended_and_an_ended_one_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNWATCHED", 0.0)
    monkeypatch.setattr(module, "REMEMBERED", 0.0)

    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        terminal = await terminals.open(PtyRequest(command="sh"))
        await gone(terminals)
        assert not terminal.alive
        assert keeper.stops == [(signal.SIGHUP, 5.0)]
        assert keeper.released == [unit(terminal)]
        assert not (tmp_path / "terminals" / terminal.record.session_id).exists()

    assert with_terminals(tmp_path, work) == 2


def test_a_watched_session_is_not_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        terminal = await terminals.open(PtyRequest(command="sh"))
        timers = [terminal.timer]
        viewer, other = terminal.attach(0), terminal.attach(0)
        timers.append(terminal.timer)
        terminal.detach(other)
        timers.append(terminal.timer)
        terminal.detach(viewer)
        timers.append(terminal.timer)
        assert [timer is not None for timer in timers] == [True, False, False, True]
        keeper.end(unit(terminal), 3 << 8)
        assert terminals.find(terminal.record.session_id).info().exit_code == 3

    assert with_terminals(tmp_path, work) == 2


def test_while_the_sandbox_is_suspended_no_time_passes_and_nothing_begins(tmp_path: Path) -> None:
    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        terminal = await terminals.open(PtyRequest(command="sh"))
        assert terminals.units == [unit(terminal)]
        timers = [terminal.timer]
        terminals.pause()
        timers.append(terminal.timer)
        opening = asyncio.ensure_future(terminals.open(PtyRequest(command="sh")))
        await asyncio.sleep(0)
        begun = [opening.done(), len(keeper.slaves) > 1, terminals.is_changing]
        terminals.unpause()
        timers.append(terminal.timer)
        await opening
        assert begun == [False, False, False]
        assert [timer is not None for timer in timers] == [True, False, True]

    with_terminals(tmp_path, work)


def test_what_cannot_be_started_leaves_nothing(tmp_path: Path) -> None:
    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        keeper.failure = SpawnFailed("no such command", 2)
        with pytest.raises(Problem, match="no such command"):
            await terminals.open(PtyRequest(command="nope"))
        assert list(terminals) == []
        assert not terminals.busy

    with_terminals(tmp_path, work)
    assert not (tmp_path / "terminals").exists()


class SlowKeeper(FakeKeeper):
    """Answers starts only when the test says so; the first one has failed."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()
        self.asked = 0

    async def spawn(self, spawn: Spawn) -> Spawned:
        self.asked += 1
        is_first = self.asked == 1
        await self.answer.wait()
        if is_first:
            raise SpawnFailed("no memory", 12)
        return await super().spawn(spawn)


def repeats(directory: Path, meanwhile: Callable[[TerminalSessions], None]) -> list[Terminal | BaseException]:
    """What three requests with one key are answered, of which the first fails while the others wait for it."""
    answers: list[Terminal | BaseException] = []

    async def work(terminals: TerminalSessions, fast: FakeKeeper) -> None:
        keeper = terminals._keeper = cast(Any, SlowKeeper())
        keeper.terminals, keeper.slaves = terminals, fast.slaves
        opening = [asyncio.ensure_future(terminals.open(PtyRequest(command="sh", key="one"))) for _ in range(3)]
        for _ in range(5):
            await asyncio.sleep(0)
        meanwhile(terminals)
        keeper.answer.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert keeper.asked == 1 or not terminals._paused
        terminals.unpause()
        answers.extend(await asyncio.gather(*opening, return_exceptions=True))
        assert len(keeper.slaves) == len(list(terminals)) == 1

    with_terminals(directory, work)
    return answers


@pytest.mark.parametrize("meanwhile", [lambda _: None, TerminalSessions.pause])
def test_repeats_of_a_start_that_failed_start_one_session(
    tmp_path: Path, meanwhile: Callable[[TerminalSessions], None]
) -> None:
    first, *others = repeats(tmp_path, meanwhile)
    assert "no memory" in str(first)
    assert isinstance(others[0], Terminal)
    assert others[0] is others[1]


def test_a_viewer_that_takes_nothing_blocks_the_command_for_a_while_and_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_module, "MAX_LAG", 1000)
    monkeypatch.setattr(terminal_module, "LAG_PATIENCE", 0.0)

    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        terminal = await terminals.open(PtyRequest(command="sh"))
        slave = keeper.slaves[unit(terminal)]
        stuck, quick = terminal.attach(0), terminal.attach(0)
        for viewer in (stuck, quick):
            terminal.make_ready(viewer)
        os.write(slave, b"x" * 1001)
        await terminal.news.wait_until(lambda: terminal.tape.end == 1001)
        terminal.advance(quick, 1001)
        os.write(slave, b"y")
        assert (await stuck.dismissed)[0] == 1008
        await terminal.news.wait_until(lambda: terminal.tape.end == 1002)
        assert not quick.dismissed.done()

    with_terminals(tmp_path, work)


def test_a_successor_forgets_what_was_never_started_and_says_of_the_rest_that_it_is_gone(tmp_path: Path) -> None:
    async def before(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        terminal = await terminals.open(PtyRequest(command="sh", args=["-c", "x"]))
        kept.append(terminal.record.session_id)
        records = tmp_path / "terminals"
        (records / "begun").mkdir()
        text = (records / kept[0] / "session.json").read_text()
        (records / "begun" / "session.json").write_text(text.replace(kept[0], "begun").replace('"pid":4321', '"pid":0'))
        (records / "strange").mkdir()
        (records / "strange" / "session.json").write_text('{"of": "something else"}')
        os.rename(records, tmp_path / "saved")

    async def after(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        os.rename(tmp_path / "saved", tmp_path / "terminals")
        terminals.load()
        lost = {claim.unit for claim in terminals.claims(set())}
        assert lost == {f"box.pty.{kept[0]}", "box.pty.begun"}
        terminals.recover(set())
        (told,) = [terminal.info() for terminal in terminals]
        assert (told.session_id, told.is_alive, told.exit_code) == (kept[0], False, 255)

    kept: list[str] = []
    with_terminals(tmp_path, before)
    with_terminals(tmp_path, after)


def test_an_end_for_want_of_memory_is_reported(tmp_path: Path) -> None:
    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        session = await terminals.open(PtyRequest(command="sh"))
        os.close(keeper.slaves.pop(unit(session)))
        assert terminals.exited(Exited(unit(session), 4321, 9, 1.0, oom_killed=True))
        assert (session.info().exit_code, session.info().oom_killed) == (137, True)

    with_terminals(tmp_path, work)


def test_units_of_others_are_left_to_them(tmp_path: Path) -> None:
    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        assert not terminals.adopt(Adopted("box.7", {}, 1, 0.0))
        assert not terminals.exited(Exited("box.7", 1, 0, 0.0))

    assert with_terminals(tmp_path, work) == 0


def test_only_the_token_opens_it(tmp_path: Path) -> None:
    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        terminal = await terminals.open(PtyRequest(command="sh"))
        token = terminal.record.token
        assert len(token) == 64
        assert terminal.admits(token)
        for wrong in (None, "", token[:-1], token.upper() + "x", "\u00e9"):
            assert not terminal.admits(wrong)
        told: dict[str, Any] = terminal.info().write()
        assert token not in told.values()

    with_terminals(tmp_path, work)


def test_a_session_that_may_have_begun_is_lost_and_not_begun_again(tmp_path: Path) -> None:
    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        keeper.failure = SpawnLost()
        request = PtyRequest(command="sh", key="one")
        terminal = await terminals.open(request)
        assert (terminal.alive, terminal.record.lost, terminal.info().exit_code) == (False, True, 255)
        keeper.failure = None
        assert await terminals.open(request) is terminal
        assert keeper.slaves == {}

    assert with_terminals(tmp_path, work) == 1


@pytest.mark.parametrize("identity", ["keeper", "another"])
def test_a_successor_knows_from_the_keeper_whether_a_session_may_have_begun(tmp_path: Path, identity: str) -> None:
    async def work(terminals: TerminalSessions, keeper: FakeKeeper) -> None:
        request = PtyRequest(command="sh", key="one")
        terminals._record(request)
        keeper.identity = identity
        after = TerminalSessions("box", tmp_path, cast(KeeperClient, keeper), terminals._describe, lambda: None)
        after.load()
        after.recover(set())
        keeper.terminals = after
        assert (await after.open(request)).alive is (identity == "keeper")
        assert len(keeper.slaves) == (1 if identity == "keeper" else 0)
        after.closed()

    with_terminals(tmp_path, work)
