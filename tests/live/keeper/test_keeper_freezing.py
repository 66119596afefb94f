"""Frozen units do nothing at all, go on as they were, and can be ended: by control groups, and without them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sbxcompose.host.keeper import freezer
from sbxcompose.host.keeper.client import Claim
from sbxcompose.host.keeper.escaped import census
from sbxcompose.host.keeper.freezer import Freezer, bases_for
from sbxcompose.host.keeper.protocol import BEGUN
from sbxcompose.host.keeper.unit import Unit
from tests.live.keeper.rig import Output, Rig, alive, children, launch, rig, wait_for_end

SPIN = "while :; do :; done"
FAMILY = f"""
echo $$
setsid sh -c 'echo $$; {SPIN}' &
env -i setsid /bin/sh -c '(setsid /bin/sh -c "echo \\$\\$; {SPIN}" &); exit' &
{SPIN}
"""
FORKS = "while :; do (:) & (setsid sh -c ':' &); wait; done"


@pytest.fixture(autouse=True, params=["groups", "signals"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How units are frozen; `groups` means signals, too, where no group can be made."""
    if request.param == "signals":
        monkeypatch.setenv("SBXCOMPOSE_CGROUPS", "no")
    return str(request.param)


def spent(pid: int) -> int:
    """Clock ticks that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def rest(pids: list[int]) -> bool:
    """Whether they compute nothing while others do a good deal."""
    before = [spent(pid) for pid in pids]
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 15000 ]; do i=$((i+1)); done"], check=True)
    return before == [spent(pid) for pid in pids]


async def compute(pids: list[int]) -> None:
    """Wait until each of them has computed."""
    before = {pid: spent(pid) for pid in pids}
    while any(spent(item) == begun for item, begun in before.items()):
        await asyncio.sleep(0)


async def family(own: Rig, unit: str) -> list[int]:
    """A unit of three that compute, two of which have left; their process ids."""
    _, out = await own.shell(unit, FAMILY)
    return [int(await out.line(number)) for number in range(3)]


def trial(check: Callable[[Rig], object]) -> None:
    async def run() -> None:
        async with rig() as own:
            await check(own)  # type: ignore[misc]

    asyncio.run(run())


def test_everything_of_a_unit_is_frozen_and_continues_with_the_same_pids() -> None:
    async def check(own: Rig) -> None:
        pids, others = await family(own, "a"), await family(own, "b")
        for _ in range(2):
            assert await own.client.freeze("a")
            assert await own.client.freeze("a")
            assert rest(pids)
            await compute(others)
            assert await own.client.thaw("a")
            await compute(pids)
        assert await own.client.thaw("a")

    trial(check)


def test_many_are_frozen_at_once_and_only_those_that_run() -> None:
    async def check(own: Rig) -> None:
        pids = [*await family(own, "a"), *await family(own, "b")]
        await own.spawn("over", "true")
        await own.exit_of("over")
        _, out = await own.shell("ending", f"trap '' TERM; echo up; {SPIN}")
        await out.line()
        await own.client.stop("ending", signal.SIGTERM, 60)
        assert await own.client.freeze_many(["a", "b", "over", "ending", "unknown"]) == {"a", "b"}
        assert rest(pids)
        assert await own.client.thaw_many(["a", "b", "over", "unknown"]) == {"a", "b"}
        await compute(pids)

    trial(check)


def test_what_forks_all_the_time_does_not_get_away() -> None:
    async def check(own: Rig) -> None:
        spawned, _ = await own.shell("a", FORKS)
        for _ in range(3):
            assert await own.client.freeze("a")
            before = _members(spawned.pid)
            assert rest(list(before))
            assert _members(spawned.pid) == before
            assert await own.client.thaw("a")

    trial(check)


def _members(leader: int) -> set[int]:
    """The leader and its living children."""
    return {leader, *children(leader)}


def test_no_parent_sees_its_child_stopped() -> None:
    parent = (
        "import os, sys, time\n"
        "child = os.fork()\n"
        "while not child: time.sleep(0.001)\n"
        "print('up', flush=True)\n"
        "while True:\n"
        "    _, status = os.waitpid(child, os.WUNTRACED)\n"
        "    print('stopped' if os.WIFSTOPPED(status) else 'ended', flush=True)\n"
        "    if not os.WIFSTOPPED(status): break\n"
    )

    async def check(own: Rig) -> None:
        spawned, out = await own.spawn("a", "python3", "-c", parent)
        await out.line()
        for _ in range(20):
            assert await own.client.freeze("a")
            assert await own.client.thaw("a")
        (child,) = _members(spawned.pid) - {spawned.pid}
        os.kill(child, signal.SIGKILL)
        assert await out.text() == "up\nended\n"

    trial(check)


def test_what_was_stopped_before_stays_so() -> None:
    async def check(own: Rig) -> None:
        _, out = await own.shell("a", f"sh -c 'echo $$; kill -STOP $$; echo woken' & {SPIN}")
        sleeper = int(await out.line())
        while state(sleeper) != "T":
            await asyncio.sleep(0)
        assert await own.client.freeze("a")
        assert await own.client.thaw("a")
        assert state(sleeper) == "T"
        os.kill(sleeper, signal.SIGCONT)
        assert await out.line(1) == "woken"

    trial(check)


def test_a_frozen_unit_gets_its_stop_signal_and_ends_gracefully() -> None:
    async def check(own: Rig) -> None:
        leaver = "setsid sh -c 'trap \"echo out; exit\" TERM; echo up; while :; do sleep 0.01; done' &"
        _, out = await own.shell("a", f"{leaver} trap 'echo in; exit 3' TERM; {SPIN}")
        await out.line()
        assert await own.client.freeze("a")
        assert await own.client.stop("a", signal.SIGTERM, 60)
        exited = await own.exit_of("a")
        assert (exited.status, exited.left_behind) == (3 << 8, [])
        assert sorted((await out.text()).split()) == ["in", "out", "up"]

    trial(check)


@pytest.mark.parametrize("how", ["kill", "stop at once", "the leader by somebody else"])
def test_a_frozen_unit_can_be_killed_and_does_nothing_more(how: str) -> None:
    async def check(own: Rig) -> None:
        pids = await family(own, "a")
        assert await own.client.freeze("a")
        if how == "kill":
            await own.client.kill("a", signal.SIGKILL, "everything")
        elif how == "stop at once":
            await own.client.stop("a", signal.SIGUSR1, 0)
        else:
            os.kill(pids[0], signal.SIGKILL)
        await own.exit_of("a")
        assert not any(alive(pid) for pid in pids)

    trial(check)


def test_a_signal_waits_for_the_thaw() -> None:
    async def check(own: Rig) -> None:
        _, out = await own.shell("a", f"trap 'echo heard' USR1; echo up; {SPIN}")
        await out.line()
        assert await own.client.freeze("a")
        assert await own.client.kill("a", signal.SIGUSR1)
        assert await own.client.kill("a", signal.SIGCONT)
        assert out.data == b"up\n"
        assert await own.client.thaw("a")
        assert await out.line(1) == "heard"

    trial(check)


def test_frozen_is_frozen_for_the_next_keeper_too() -> None:
    async def check(own: Rig) -> None:
        pids = await family(own, "a")
        assert await own.client.freeze("a")
        await own.kill_keeper()
        assert rest(pids)
        (adopted,) = await own.client.adopt()
        assert adopted.frozen
        assert await own.client.thaw("a")
        await compute(pids)
        (adopted,) = await own.client.adopt()
        assert not adopted.frozen
        assert await own.client.freeze("a")
        await own.kill_keeper()
        await own.client.kill("a", signal.SIGKILL, "everything")
        await own.exit_of("a")
        assert not any(alive(pid) for pid in pids)

    trial(check)


def test_frozen_is_frozen_for_the_next_server_too() -> None:
    async def check(own: Rig) -> None:
        pids = await family(own, "a")
        assert await own.client.freeze("a")
        await own.kill_server()
        await own.connect()
        (adopted,) = await own.client.adopt()
        assert adopted.frozen
        assert rest(pids)
        assert await own.client.thaw("a")
        await compute(pids)

    trial(check)


def test_what_a_killed_host_left_frozen_is_killed_by_the_next(way: str) -> None:
    async def check(own: Rig) -> None:
        bases = bases_for(own.host)
        _, out = await own.shell("a", f"echo $$; setsid sh -c 'echo $$; {SPIN}' & {SPIN}")
        pids = [int(await out.line()), int(await out.line(1))]
        assert await own.client.freeze("a")
        frozen_by_group = any(Path(base).exists() for base in bases)
        await own.kill_host()
        own.launched = launch(own.launched.directory)
        await own.connect()
        swept = await own.client.sweep([Claim("a")])
        for pid in pids:
            wait_for_end(pid)
        assert frozen_by_group or len(swept) == 2
        assert way == "groups" or not frozen_by_group

    trial(check)


def test_a_group_goes_with_its_unit(way: str) -> None:
    async def check(own: Rig) -> None:
        groups = [Path(item) for item in bases_for(own.host)]
        await family(own, "a")
        assert await own.client.freeze("a")
        await own.client.kill("a", signal.SIGKILL, "everything")
        await own.exit_of("a")
        number = 0
        while any(path for group in groups if group.exists() for path in group.glob("unit-*")):
            await own.spawn(
                f"b{number}", "true"
            )  # the dead leave a group a little later: it is gone with the next unit
            await own.exit_of(f"b{number}")
            number += 1

    trial(check)


def test_terminals_continue_after_a_thaw() -> None:
    async def check(own: Rig) -> None:
        spawned, out = await own.spawn("a", "sh", "-i", pty=(24, 80), env={"PATH": os.environ["PATH"], "PS1": ""})
        assert spawned.stdout is not None
        os.write(spawned.stdout, b"sleep 1000 & echo $((40 + 2))\n")
        await out.wait_until(lambda data: b"42\r\n" in data)
        assert await own.client.freeze("a")
        os.write(spawned.stdout, b"echo $((50 + 5))\n")
        assert await own.client.thaw("a")
        data = await Output(spawned.stdout).wait_until(lambda data: b"55\r\n" in data)
        assert b"topped" not in data

    trial(check)


def test_a_keeper_that_dies_while_it_freezes_leaves_nothing_stopped(way: str) -> None:
    async def check(own: Rig) -> None:
        pids = await family(own, "a")
        os.kill(own.keeper_pid, signal.SIGSTOP)  # it has been asked, and will never answer
        asked = asyncio.create_task(own.client.freeze("a"))
        await asyncio.sleep(0)
        if way == "signals":
            os.kill(pids[1], signal.SIGSTOP)  # what it may have done before it died
        await own.kill_keeper()
        assert await asked
        assert rest(pids)
        assert await own.client.thaw("a")
        await compute(pids)

    trial(check)


@pytest.mark.parametrize("count", [1, 2])
def test_a_freeze_that_fails_half_way_lets_everything_continue(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    leaders = [subprocess.Popen(["sh", "-c", SPIN], start_new_session=True) for _ in range(2)]
    units = [Unit(f"a.{number}", leader.pid, 0.0, "{}") for number, leader in enumerate(leaders)]
    looks = iter(range(count))

    def fails(every: object) -> object:
        next(looks)
        return census(every)  # type: ignore[arg-type]

    monkeypatch.setattr(freezer, "census", fails)
    try:
        with pytest.raises(StopIteration):
            Freezer([]).freeze(units, units)
        assert [unit.frozen for unit in units] == [None, None]
        asyncio.run(compute([leader.pid for leader in leaders]))
    finally:
        for leader in leaders:
            leader.kill()
            leader.wait()


def test_what_a_dead_keeper_had_begun_to_freeze_can_be_thawed() -> None:
    with subprocess.Popen(
        ["sh", "-c", f"sh -c '{SPIN}' & echo $!; {SPIN}"], stdout=-1, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        pids = [leader.pid, int(leader.stdout.readline())]
        unit = Unit("a.1", leader.pid, 0.0, "{}")
        unit.frozen = BEGUN
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            Freezer([]).thaw(unit)
            asyncio.run(compute(pids))
        finally:
            os.killpg(leader.pid, signal.SIGKILL)
