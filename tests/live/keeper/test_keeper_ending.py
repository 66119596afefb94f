"""Nothing that a unit has started outlives it, however it got away; and nothing of another unit is
touched."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from sbxcompose.linux.processes import command_of
from tests.live.keeper.rig import Output, Rig, alive, children, escaped_alone, rig

ESCAPES = {
    "a child": "sleep 900 & echo $!",
    "its own session": "setsid sh -c 'echo $$; exec sleep 900' &",
    "a double fork": "setsid sh -c 'sh -c \"echo \\$\\$; exec sleep 900\" & exit' &",
    "an empty environment": "env -i setsid /bin/sh -c 'echo $$; exec sleep 900' &",
    "a daemon": (
        "env -i setsid /bin/sh -c '(setsid /bin/sh -c \"echo \\$\\$; exec sleep 900 <&- >&- 2>&-\" &) ; exit' &"
    ),
}


async def pids(out: Output, count: int) -> list[int]:
    """The process ids that were printed, one a line."""
    return [int(await out.line(number)) for number in range(count)]


def all_dead(numbers: list[int]) -> bool:
    return not any(alive(number) for number in numbers)


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
def test_what_a_leader_leaves_behind_is_killed_before_its_exit_is_reported(escape: str) -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", f"{escape}\nread line; exit 4", stdin="pipe")
            (escaped,) = await pids(out, 1)
            assert alive(escaped)
            await escaped_alone(spawned.pid, escaped)
            assert spawned.stdin is not None
            os.write(spawned.stdin, b"\n")
            exited = await own.exit_of("a")
            assert exited.status == 4 << 8
            assert all_dead([escaped])
            assert len(exited.left_behind) == 1
            assert exited.left_behind[0].startswith(f"{escaped} ")

    asyncio.run(run())


def test_ten_that_fork_setsid_and_daemonize_leave_nothing() -> None:
    script = "\n".join(ESCAPES.values()) + "\nsleep 900"

    async def run() -> None:
        async with rig() as own:
            outputs = [(await own.shell(f"u{number}", script))[1] for number in range(10)]
            numbers = [pid for out in outputs for pid in await pids(out, len(ESCAPES))]
            assert len(set(numbers)) == 10 * len(ESCAPES)
            for number in range(10):
                await own.client.stop(f"u{number}", signal.SIGTERM, 60)
            for number in range(10):
                assert (await own.exit_of(f"u{number}")).left_behind == []  # all went when they were asked
            assert all_dead(numbers)

    asyncio.run(run())


def test_escaped_processes_of_one_unit_survive_the_end_of_another() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", ESCAPES["a daemon"] + " exec sleep 900")
            (stray,) = await pids(out, 1)
            await escaped_alone(spawned.pid, stray)
            await own.shell("b", "sleep 900 & exit 0")
            assert len((await own.exit_of("b")).left_behind) == 1
            await own.spawn("c", "true")
            await own.exit_of("c")
            assert alive(stray)
            await own.client.kill("a", signal.SIGTERM)
            assert [item.split()[0] for item in (await own.exit_of("a")).left_behind] == [str(stray)]

    asyncio.run(run())


def test_a_family_in_an_escaped_session_goes_as_a_whole() -> None:
    script = (
        'env -i setsid /bin/sh -c \'/bin/sh -c "echo 1; sleep 900; :" & sh -c "echo 2; exec sleep 901" & wait\''
        " &"
        " read line"
    )

    async def run() -> None:
        async with rig() as own:
            _, out = await own.shell("a", script, stdin="pipe")
            await out.line(1)
            await own.client.kill("a", signal.SIGKILL)
            exited = await own.exit_of("a")
            commands = sorted(item.partition(" ")[2] for item in exited.left_behind)
            assert any("sleep 901" in command for command in commands)
            assert len(commands) >= 3
            assert all_dead([int(item.split()[0]) for item in exited.left_behind])

    asyncio.run(run())


def test_killing_everything_gives_the_shell_no_time_for_its_next_command() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", "setsid sh -c 'echo $$; sleep 900; echo later'; echo after")
            (leaver,) = await pids(out, 1)
            assert await own.client.kill("a", signal.SIGKILL, "everything")
            exited = await own.exit_of("a")
            assert exited.status == signal.SIGKILL
            assert all_dead([leaver, spawned.pid])
            assert await out.text() == f"{leaver}\n"

    asyncio.run(run())


def test_a_signal_to_the_group_spares_those_who_left_it() -> None:
    script = (
        "setsid sh -c 'trap \"echo left\" USR1; echo up; while :; do sleep 0.01; done' &"
        "trap 'echo here' USR1; while :; do sleep 0.01; done"
    )

    async def run() -> None:
        async with rig() as own:
            _, out = await own.shell("a", script)
            assert await out.line() == "up"
            await own.client.kill("a", signal.SIGUSR1)
            assert await out.line(1) == "here"
            await own.client.kill("a", signal.SIGUSR1, "everything")
            assert sorted([await out.line(2), await out.line(3)]) == ["here", "left"]

    asyncio.run(run())


def test_a_stop_waits_for_the_child_of_a_shell_that_dies_at_once() -> None:
    """`sh -c server`: the shell is gone at SIGTERM, the server still has work to do, and gets the time for
    it."""
    child = (
        "import os, signal\n"
        "def end(*_): os.write(1, b'closing\\n'); os.read(0, 1); os.write(1, b'closed\\n'); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end); os.write(1, b'up\\n')\n"
        "while True: signal.pause()\n"
    )

    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.spawn(
                "a",
                "sh",
                "-c",
                'exec 3<&0; "$0" -I -S -c "$1" <&3 & wait',
                sys.executable,
                child,
                stdin="pipe",
            )
            assert spawned.stdin is not None
            assert await out.line() == "up"
            assert await own.client.stop("a", signal.SIGTERM, 15)
            assert await out.line(1) == "closing"
            assert own.exits == {}
            os.write(spawned.stdin, b"\n")
            exited = await own.exit_of("a")
            assert (exited.status, exited.left_behind) == (signal.SIGTERM, [])
            assert await out.text() == "up\nclosing\nclosed\n"

    asyncio.run(run())


async def ignorer(own: Rig, unit: str) -> None:
    spawned, _ = await own.shell(unit, "trap '' TERM; while :; do sleep 900; done")
    while [command_of(child) for child in children(spawned.pid)] != ["sleep 900"]:
        await asyncio.sleep(0)


def test_five_that_ignore_the_signal_are_killed_side_by_side_after_the_grace() -> None:
    async def run() -> None:
        async with rig() as own:
            for number in range(5):
                await ignorer(own, f"u{number}")
            begin = time.monotonic()
            for number in range(5):
                assert await own.client.stop(f"u{number}", signal.SIGTERM, 0.3)
            exits = [await own.exit_of(f"u{number}") for number in range(5)]
            assert time.monotonic() - begin >= 0.3
            for one_exit in exits:
                assert one_exit.status == signal.SIGKILL
                assert [word.partition(" ")[2] for word in one_exit.left_behind] == ["sleep 900"]

    asyncio.run(run())


def test_a_stop_that_comes_late_has_all_of_its_grace() -> None:
    """A keeper that has not had its turn meanwhile, or was busy, sends the signal after the grace that was counted."""
    script = "trap 'read _; echo closed; exit 0' TERM; echo up; while :; do sleep 0.01; done"

    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", script, stdin="pipe")
            assert spawned.stdin is not None
            await out.line()
            late = {"signal": signal.SIGTERM, "deadline": time.monotonic() - 1, "grace": 3600}
            assert await own.client._call({"op": "stop", "unit": "a", **late})
            await own.spawn("b", "true")
            await own.exit_of("b")  # the keeper has looked at what is due since
            os.write(spawned.stdin, b"\n")
            assert (await own.exit_of("a")).status == 0
            assert await out.text() == "up\nclosed\n"

    asyncio.run(run())


def test_a_second_stop_shortens_the_grace_and_never_prolongs_it() -> None:
    async def run() -> None:
        async with rig() as own:
            await ignorer(own, "a")
            await own.client.stop("a", signal.SIGTERM, 3600)
            await own.client.stop("a", signal.SIGTERM, 0)
            await own.client.stop("a", signal.SIGTERM, 3600)
            assert (await own.exit_of("a")).status == signal.SIGKILL

    asyncio.run(run())


def test_a_second_stop_repeats_no_signal_but_sends_another_one() -> None:
    script = "trap 'echo term' TERM; trap 'echo int; exit 0' INT; echo up; while :; do sleep 0.01; done"

    async def run() -> None:
        async with rig() as own:
            _, out = await own.shell("a", script)
            await out.line()
            await own.client.stop("a", signal.SIGTERM, 3600)
            assert await out.line(1) == "term"
            await own.client.stop("a", signal.SIGTERM, 3600)
            await own.client.stop("a", signal.SIGINT, 3600)
            assert await out.text() == "up\nterm\nint\n"

    asyncio.run(run())


def test_a_suspended_unit_is_resumed_to_end() -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"

    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", script)
            await out.line()
            await own.client.kill("a", signal.SIGSTOP)
            await own.client.stop("a", signal.SIGTERM, 3600)
            assert (await own.exit_of("a")).status == 0
            assert (await out.text()).endswith("bye\n")
            assert not alive(spawned.pid)

    asyncio.run(run())


def test_what_is_over_or_unknown_can_be_neither_stopped_nor_killed() -> None:
    async def run() -> None:
        async with rig() as own:
            await own.spawn("a", "true")
            await own.exit_of("a")
            for unit in ("a", "never"):
                assert not await own.client.stop(unit, signal.SIGTERM, 1)
                assert not await own.client.kill(unit, signal.SIGTERM)
                assert not await own.client.kill(unit, signal.SIGKILL, "everything")

    asyncio.run(run())


def test_a_live_unit_is_not_released() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, _ = await own.spawn("a", "sleep", "900")
            await own.client.release("a")
            assert alive(spawned.pid)
            assert [row.unit for row in await own.client.adopt()] == ["a"]

    asyncio.run(run())


def test_release_closes_what_the_keeper_held() -> None:
    def held(pid: int) -> int:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))

    async def run() -> None:
        async with rig() as own:
            before = held(own.keeper_pid)
            await own.spawn("a", "true", stdin="pipe")
            await own.exit_of("a")
            assert held(own.keeper_pid) > before
            await own.client.release("a")
            assert held(own.keeper_pid) == before
            assert await own.client.adopt() == []

    asyncio.run(run())
