"""Server and keeper may be killed at any moment: no process, no line and no exit is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.host.keeper.client import Claim, KeeperClient, KeeperLost, Spawn
from sbxcompose.host.keeper.protocol import SERVER_DONE
from tests.live.keeper.rig import (
    ENV,
    LIMIT,
    Launched,
    Output,
    alive,
    escaped_alone,
    keeper_process,
    launch,
    rig,
    server_argv,
    wait_for_end,
)


def test_a_successor_adopts_what_ran_what_ended_and_what_was_being_stopped() -> None:
    async def run() -> None:
        async with rig() as own:
            runs, _ = await own.spawn("runs", "cat", stdin="pipe", meta={"row": [1, "ü"]})
            _, out = await own.shell("ends", "echo up; read line; echo last; exit 5", stdin="pipe")
            await out.line()
            await own.shell("over", "exit 6")
            await own.exit_of("over")
            _, out = await own.shell("stubborn", "trap '' TERM; sleep 900 & echo up; wait")
            await out.line()
            await own.client.stop("stubborn", signal.SIGTERM, 3600)
            first = own.relay_pid
            ending = next(row for row in await own.client.adopt() if row.unit == "ends")
            assert ending.stdin is not None
            own.exits.clear()
            await own.kill_server()
            os.write(ending.stdin, b"\n")  # ends while nobody is there

            await own.connect()
            assert own.relay_pid != first
            adopted = {row.unit: row for row in await own.client.adopt()}
            assert adopted.keys() == {"runs", "ends", "over", "stubborn"}
            assert (adopted["runs"].pid, adopted["runs"].meta) == (runs.pid, {"row": [1, "ü"]})
            assert adopted["runs"].at == runs.at
            assert adopted["over"].exited is not None
            assert adopted["over"].exited.status == 6 << 8
            assert adopted["stubborn"].stopping
            exited = adopted["ends"].exited or await own.exit_of("ends")
            assert exited.status == 5 << 8
            assert await Output(adopted["ends"].stdout).text() == "last\n"
            stdin = adopted["runs"].stdin
            assert stdin is not None
            os.write(stdin, b"still here\n")
            assert await Output(adopted["runs"].stdout).line() == "still here"
            await own.client.stop("stubborn", signal.SIGTERM, 0)
            assert (await own.exit_of("stubborn")).status == signal.SIGKILL
            assert "over" not in own.exits

    asyncio.run(run())


def test_a_spawn_whose_answer_was_not_read_is_reported_to_the_successor() -> None:
    async def run() -> None:
        async with rig() as own:
            asked = asyncio.create_task(own.client.spawn(Spawn("a", ["sleep", "900"], ENV, meta={"n": 1})))
            await asyncio.sleep(0)  # the request is written; its answer will not be read
            await own.kill_server()
            with pytest.raises(KeeperLost):
                await asked
            await own.connect()
            for row in await own.client.adopt():  # it was begun or it was not, but it is never forgotten
                assert (row.unit, row.meta) == ("a", {"n": 1})
                assert alive(row.pid)

    asyncio.run(run())


def test_the_exit_status_is_known_although_the_keeper_that_started_it_is_dead() -> None:
    async def run() -> None:
        async with rig() as own:
            first = own.keeper_pid
            coded, out = await own.shell("coded", "echo up; read line; echo $line; exit 7", stdin="pipe")
            await own.spawn("killed", "sleep", "900")
            await own.shell("over", "exit 3")
            await own.exit_of("over")
            await own.kill_keeper()
            assert own.keeper_pid != first
            assert coded.stdin is not None
            os.write(coded.stdin, b"word\n")
            assert (await own.exit_of("coded")).status == 7 << 8
            assert await out.text() == "up\nword\n"
            await own.client.kill("killed", signal.SIGINT)
            assert (await own.exit_of("killed")).status == signal.SIGINT
            exited = {row.unit: row.exited and row.exited.status for row in await own.client.adopt()}
            assert exited == {"coded": 7 << 8, "killed": signal.SIGINT, "over": 3 << 8}

    asyncio.run(run())


def test_exits_while_no_keeper_is_there_are_reported_by_the_next() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, _ = await own.shell("a", "trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done")
            os.kill(own.keeper_pid, signal.SIGKILL)
            wait_for_end(own.keeper_pid)
            os.kill(spawned.pid, signal.SIGKILL)
            await own.replaced.wait()
            assert (await own.exit_of("a")).status == signal.SIGKILL

    asyncio.run(run())


def test_every_request_works_after_the_keepers_death_and_waits_for_the_next_one() -> None:
    async def run() -> None:
        async with rig() as own:
            await own.spawn("old", "cat", stdin="pipe")
            os.kill(own.keeper_pid, signal.SIGKILL)
            wait_for_end(own.keeper_pid)
            spawned, out = await own.shell("new", "echo $SBXCOMPOSE_UNIT")  # asked of nobody
            assert await out.text() == own.mark_of("new") + "\n"
            assert (await own.exit_of("new")).pid == spawned.pid
            await own.client.release("new")
            await own.client.close_stdin("old")
            adopted = {row.unit: row for row in await own.client.adopt()}
            assert adopted.keys() == {"old"}
            assert adopted["old"].stdin is None
            await own.kill_keeper()
            assert await own.client.stop("old", signal.SIGTERM, 5)
            assert (await own.exit_of("old")).status == signal.SIGTERM

    asyncio.run(run())


def test_a_stop_under_way_continues_under_the_next_keeper_with_what_is_left_of_its_grace() -> None:
    async def run() -> None:
        async with rig() as own:
            _, out = await own.shell("a", "trap '' TERM; echo up; while :; do sleep 900; done")
            await out.line()
            begin = time.monotonic()
            await own.client.stop("a", signal.SIGTERM, 0.5)
            await own.kill_keeper()
            exited = await own.exit_of("a")
            assert exited.status == signal.SIGKILL
            assert len(exited.left_behind) == 1
            assert time.monotonic() - begin >= 0.5

    asyncio.run(run())


@pytest.mark.parametrize("environment", ["", "env -i"])
def test_what_escaped_under_a_dead_keeper_is_found_by_the_next(environment: str) -> None:
    script = (
        f"{environment} setsid /bin/sh -c '(setsid /bin/sh -c \"echo \\$\\$; exec sleep 900\" &); exit' & read line"
    )

    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", script, stdin="pipe")
            stray = int(await out.line())
            await escaped_alone(spawned.pid, stray)
            await own.kill_keeper()
            await own.client.kill("a", signal.SIGTERM)
            exited = await own.exit_of("a")
            assert [item.split()[0] for item in exited.left_behind] == [str(stray)]
            assert not alive(stray)

    asyncio.run(run())


def test_a_spawn_that_died_with_its_keeper_is_asked_for_again_and_never_runs_twice() -> None:
    """Keepers are killed under a stream of spawns: each ends with exactly one process of its unit."""

    async def run() -> None:
        async with rig() as own:
            for round_ in range(3):
                names = [f"u{round_}.{number}" for number in range(20)]
                tasks = [
                    asyncio.create_task(own.shell(one_name, "echo up; exec sleep 900", repeatable=True))
                    for one_name in names
                ]
                await tasks[0]
                await own.kill_keeper()
                results = await asyncio.gather(*tasks)
                for _, out in results:
                    assert await out.line() == "up"
                running: dict[str, list[int]] = {}
                for entry in Path("/proc").iterdir():
                    if entry.name.isdigit() and alive(int(entry.name)):
                        marker = _marker(entry)
                        running.setdefault(marker, []).append(int(entry.name))
                for name, (spawned, _) in zip(names, results, strict=True):
                    assert running[own.mark_of(name)] == [spawned.pid]

    asyncio.run(run())


def _marker(entry: Path) -> str:
    try:
        words = (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((word.decode()[16:] for word in words if word.startswith(b"SBXCOMPOSE_UNIT=")), "")


def test_without_a_way_to_start_another_the_keepers_death_is_final() -> None:
    async def run() -> None:
        async with rig() as own:
            own.client._restart = None
            os.kill(own.keeper_pid, signal.SIGKILL)
            with pytest.raises(KeeperLost):
                await own.client.stop("a", signal.SIGTERM, 1)
            with pytest.raises(KeeperLost):
                await own.client.adopt()

    asyncio.run(run())


class Talk:
    """Words with the server of the moment, over the host's socket."""

    def __init__(self, launched: Launched) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(LIMIT)
        self._socket.connect(str(launched.socket_path))
        self._file = self._socket.makefile("rwb")

    def ask(self, op: str, **more: Any) -> Any:
        self.send(op, **more)
        return json.loads(self._file.readline())

    def send(self, op: str, **more: Any) -> None:
        self._file.write(json.dumps({"op": op, **more}).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def talking(launched: Launched) -> Iterator[Talk]:
    talk = Talk(launched)
    try:
        yield talk
    finally:
        talk.close()


def test_a_new_keeper_looks_after_its_server_in_turn(short_dir: Path) -> None:
    """Keeper dies, server starts another; then the server dies, and the new keeper starts another of
    those."""
    with keeper_process(short_dir, server_argv("serving.py")) as launched:
        with talking(launched) as talk:
            sleeper = talk.ask("spawn", unit="a", argv=["sh", "-c", "echo; sleep 900"])
            os.kill(launched.ready["pid"], signal.SIGKILL)
            second = talk.ask("new keeper", old=launched.ready["pid"])
            server = talk.ask("who")["pid"]
            assert server == launched.ready["server_pid"]
            assert alive(sleeper)
            os.kill(server, signal.SIGKILL)
        launched.ready["pid"] = second  # to be seen to in the end
        with talking(launched) as talk:  # answered as soon as there is a server again
            who = talk.ask("who")
            assert who["pid"] != server
            assert who["keeper"] == second
            assert who["units"] == {"a": sleeper}
            os.kill(sleeper, signal.SIGUSR1)
            assert talk.ask("exit of", unit="a") == signal.SIGUSR1
            assert launch(short_dir).ready == {"status": "taken"}


def test_killing_both_in_turn_again_and_again_loses_nothing(short_dir: Path) -> None:
    with keeper_process(short_dir, server_argv("serving.py")) as launched:
        for number in range(4):
            with talking(launched) as talk:
                who = talk.ask("who")
                talk.ask("spawn", unit=f"u{number}", argv=["sleep", "900"])
                if number % 2:
                    os.kill(who["keeper"], signal.SIGKILL)
                    launched.ready["pid"] = talk.ask("new keeper", old=who["keeper"])
                else:
                    os.kill(who["pid"], signal.SIGKILL)
        with talking(launched) as talk:
            who = talk.ask("who")
            assert who["units"].keys() == {"u0", "u1", "u2", "u3"}
            assert who["exits"] == {}
            assert all(alive(unit) for unit in who["units"].values())


def test_when_both_died_at_once_the_next_host_can_sweep_what_they_left(short_dir: Path) -> None:
    with keeper_process(short_dir, server_argv("serving.py")) as launched:
        with talking(launched) as talk:
            unit = "a"
            sleeper = talk.ask("spawn", unit=unit, argv=["sh", "-c", "setsid sleep 900 & sleep 901"])
            os.kill(launched.ready["server_pid"], signal.SIGSTOP)  # so that it starts no other keeper
            os.kill(launched.ready["pid"], signal.SIGKILL)
            os.kill(launched.ready["server_pid"], signal.SIGKILL)
        wait_for_end(launched.ready["server_pid"])

    async def run() -> None:
        async with rig() as other:  # two hosts may have units of one name
            assert await other.client.sweep([Claim(unit)]) == []
            assert alive(sleeper)
        async with rig(directory=short_dir) as own:
            swept = await own.client.sweep([Claim(unit)])
            assert {item.partition(" ")[2] for item in swept} >= {"sleep 900", "sleep 901"}
            assert not alive(sleeper)
            assert await own.client.sweep([Claim(unit)]) == []

    asyncio.run(run())


def test_a_server_that_is_done_ends_the_host_but_never_while_units_live(short_dir: Path) -> None:
    with keeper_process(short_dir, server_argv("serving.py")) as launched:
        with talking(launched) as talk:
            sleeper = talk.ask("spawn", unit="a", argv=["sleep", "900"])
            talk.send("end", status=SERVER_DONE)
        wait_for_end(launched.ready["server_pid"])
        with talking(launched) as talk:
            assert talk.ask("who")["units"] == {"a": sleeper}
            os.kill(sleeper, signal.SIGKILL)
            talk.ask("exit of", unit="a")
            talk.send("end", status=SERVER_DONE)
        wait_for_end(launched.ready["pid"])
        assert not launched.socket_path.exists()


def test_a_server_that_ends_with_another_status_is_started_again(short_dir: Path) -> None:
    with keeper_process(short_dir, server_argv("serving.py")) as launched:
        with talking(launched) as talk:
            first = talk.ask("who")["pid"]
            talk.send("end", status=0)
        wait_for_end(first)
        with talking(launched) as talk:
            assert talk.ask("who")["pid"] != first
        assert "the server has exited (exit code 0)" in launched.log


def test_units_of_a_closed_client_are_reported_to_no_other() -> None:
    async def run() -> None:
        async with rig() as own:
            await own.spawn("a", "sleep", "900")
            await own.kill_server()
            await own.connect()
            client: KeeperClient = own.client
            assert not own.exits
            (adopted,) = await client.adopt()
            os.kill(adopted.pid, signal.SIGKILL)
            assert (await own.exit_of("a")).status == signal.SIGKILL

    asyncio.run(run())


def test_a_leader_that_is_gone_is_remembered_when_the_keeper_dies_before_its_child_is() -> None:
    script = (
        "trap 'exit 11' TERM; exec 3<&0;"
        "(trap 'echo closing; read line <&3; exit 0' TERM; echo up; while :; do sleep 0.01; done) <&3 & wait"
    )

    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", script, stdin="pipe")
            assert spawned.stdin is not None
            await out.line()
            await own.client.stop("a", signal.SIGTERM, 3600)
            assert await out.line(1) == "closing"
            await asyncio.to_thread(wait_for_end, spawned.pid)
            await own.kill_keeper()
            assert own.exits == {}
            os.write(spawned.stdin, b"\n")
            exited = await own.exit_of("a")
            assert (exited.status, exited.left_behind) == (11 << 8, [])

    asyncio.run(run())


def test_a_bad_signal_is_refused_and_the_keeper_continues() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, _ = await own.spawn("a", "sleep", "900")
            for number in (0, 65, -1):
                with pytest.raises(ValueError, match="invalid signal"):
                    await own.client.kill("a", number)
                with pytest.raises(ValueError, match="invalid signal"):
                    await own.client.stop("a", number, 1)
            assert alive(spawned.pid)
            with pytest.raises(RuntimeError, match="the keeper failed"):
                await own.client._call({"op": "kill", "unit": "a", "signal": 4711, "scope": "group"})
            assert await own.client.kill("a", signal.SIGKILL)

    asyncio.run(run())
