"""The keeper as the host's first process: lock, sockets, the server's life, and its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sbxcompose.host.keeper.options import KeeperPaths, keeper_argv
from tests.live.keeper.rig import Launched, alive, keeper_process, launch, rig, server_argv, wait_for_end


def test_it_says_where_it_listens_and_is_the_users_alone(short_dir: Path) -> None:
    with keeper_process(short_dir, tcp=0) as launched:
        assert launched.code == 0
        assert launched.ready["status"] == "ready"
        assert alive(launched.ready["pid"])
        assert alive(launched.ready["server_pid"])
        assert launched.ready["socket"] == str(launched.socket_path)
        assert stat.S_IMODE(launched.socket_path.stat().st_mode) == 0o600
        host, _, port = launched.ready["tcp"].partition(":")
        with socket.create_connection((host, int(port))):
            pass
        assert os.getsid(launched.ready["pid"]) == launched.ready["pid"]
        assert os.readlink(f"/proc/{launched.ready['pid']}/cwd") == "/"
    assert not launched.socket_path.exists()


def test_a_second_keeper_finds_the_place_taken(short_dir: Path) -> None:
    with keeper_process(short_dir) as first:
        second = launch(short_dir)
        assert (second.ready, second.code) == ({"status": "taken"}, 0)
        assert alive(first.ready["pid"])


def test_a_stale_socket_is_removed(short_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(short_dir / "host.sock"))
    with keeper_process(short_dir) as launched:
        assert launched.ready["status"] == "ready"


def test_a_file_in_the_sockets_place_is_not_removed(short_dir: Path) -> None:
    (short_dir / "host.sock").write_text("mine")
    launched = launch(short_dir)
    assert (launched.code, launched.ready["code"]) == (3, "SOCKET")
    assert launched.ready["message"] == f"cannot listen on {short_dir}/host.sock: address already in use"
    assert (short_dir / "host.sock").read_text() == "mine"


def test_a_taken_port_is_reported_with_who_has_it(short_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        launched = launch(short_dir, tcp=port)
        assert (launched.code, launched.ready["code"]) == (3, "PORT_TAKEN")
        assert launched.ready["message"].startswith(f"port {port} is in use by ")
        assert launched.ready["message"].endswith(f"(pid {os.getpid()})")
    assert not (short_dir / "host.sock").exists()


def test_a_port_that_does_not_exist(short_dir: Path) -> None:
    assert launch(short_dir, tcp=70_000).ready["message"] == "invalid port 70000"


def test_without_a_readiness_pipe_the_message_goes_to_the_terminal(short_dir: Path) -> None:
    argv = keeper_argv(
        KeeperPaths(short_dir / "missing" / "host.sock", short_dir / "host.lock", short_dir / "host.log"),
        ["true"],
        detach=False,
    )
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert result.stderr.startswith(f"sbxcompose host: cannot listen on {short_dir}/missing/host.sock: no such file")


def test_the_server_gets_a_clean_environment(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET", "s3cret")
    monkeypatch.setenv("SBXCOMPOSE_PROCESS", "outer")
    monkeypatch.setenv("SBXCOMPOSE_STATE_DIR", str(short_dir))

    async def run() -> None:
        async with rig() as own:
            environment = own.relay["environment"]
            assert environment["SBXCOMPOSE_STATE_DIR"] == str(short_dir)
            assert environment["PATH"] == os.environ["PATH"]
            assert environment.keys() & {"AWS_SECRET", "SBXCOMPOSE_PROCESS", "SBXCOMPOSE_KEEPER_FD"} == set()

    asyncio.run(run())


def test_sigterm_ends_server_units_and_keeper_in_that_order(short_dir: Path) -> None:
    with keeper_process(short_dir, server_argv("serving.py")) as launched:
        os.kill(launched.ready["pid"], signal.SIGTERM)
        wait_for_end(launched.ready["pid"])
        assert not alive(launched.ready["server_pid"])
        assert not launched.socket_path.exists()


def test_sigterm_without_a_willing_server_stops_the_units_all_the_same() -> None:
    async def run() -> None:
        async with rig() as own:
            spawned, out = await own.shell("a", "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done")
            await out.line()
            keeper = own.keeper_pid  # once it has ended, the test, which is the server too, starts another one
            os.kill(keeper, signal.SIGTERM)  # its server, the relay, just dies of it
            assert await out.text() == "up\nbye\n"
            await asyncio.to_thread(wait_for_end, keeper)
            assert not alive(spawned.pid)

    asyncio.run(run())


def test_a_second_sigterm_kills() -> None:
    async def run() -> None:
        async with rig() as own:
            _, out = await own.shell("a", "trap 'echo no' TERM; echo up; while :; do sleep 0.01; done")
            await out.line()
            keeper = own.keeper_pid
            os.kill(keeper, signal.SIGTERM)
            assert await out.line(1) == "no"
            os.kill(keeper, signal.SIGTERM)
            await out.text()
            await asyncio.to_thread(wait_for_end, keeper)

    asyncio.run(run())


def test_in_the_foreground_it_stays_and_ends_at_ctrl_c(short_dir: Path) -> None:
    read, write = os.pipe()
    argv = keeper_argv(
        KeeperPaths(short_dir / "host.sock", short_dir / "host.lock", short_dir / "host.log"),
        server_argv("serving.py"),
        detach=False,
        ready_fd=write,
    )
    with subprocess.Popen(argv, pass_fds=(write,), stderr=subprocess.PIPE, start_new_session=True) as process:
        os.close(write)
        with os.fdopen(read) as pipe:
            ready = json.loads(pipe.read())
        assert ready["pid"] == process.pid
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the server is in a session of its own
        assert process.wait() == 0
        assert not alive(ready["server_pid"])


def test_a_server_that_cannot_start_ends_a_host_without_units(short_dir: Path) -> None:
    launched = launch(short_dir, [sys.executable, "-c", "raise SystemExit('broken')"])
    wait_for_end(launched.ready["pid"])
    assert launched.log.count("the server has exited (exit code 1)") == 6
    assert "nothing is running; the host exits" in launched.log
    assert "broken" in launched.log
    assert not launched.socket_path.exists()


def test_a_server_that_cannot_start_is_tried_again_as_long_as_a_unit_lives(short_dir: Path) -> None:
    switch = short_dir / "broken"
    script = (
        f"import os, sys\nif os.path.exists({str(switch)!r}): sys.exit(1)\n"
        f"sys.argv = {server_argv()[1:]!r}\nexec(open(sys.argv[0]).read())"
    )
    server = [sys.executable, "-c", script]

    async def run() -> None:
        async with rig(server) as own:
            spawned, _ = await own.spawn("a", "sleep", "900")
            switch.touch()
            await own.kill_server()
            while "retrying in 5 s" not in own.launched.log:
                await asyncio.sleep(0.01)
            switch.unlink()
            await own.connect()  # whoever calls meanwhile waits
            (adopted,) = await own.client.adopt()
            assert (adopted.pid, alive(spawned.pid)) == (spawned.pid, True)

    asyncio.run(run())


def test_a_server_is_tried_again_as_long_as_something_is_to_be_restarted(short_dir: Path) -> None:
    switch = short_dir / "broken"
    script = (
        f"import os, sys\nif os.path.exists({str(switch)!r}): sys.exit(1)\n"
        f"sys.argv = {server_argv()[1:]!r}\nexec(open(sys.argv[0]).read())"
    )

    async def run() -> None:
        async with rig([sys.executable, "-c", script]) as own:
            own.client.want(True)
            await own.client.sweep([])
            switch.touch()
            await own.kill_server()
            while own.launched.log.count("the server has exited (exit code 1)") < 6:
                await asyncio.sleep(0.01)
            assert alive(own.keeper_pid)
            switch.unlink()
            await own.connect()

    asyncio.run(run())


def status_of(pid: int, name: str, file: str = "status") -> int:
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def test_an_idle_keeper_is_never_woken_and_is_small() -> None:
    async def run() -> None:
        async with rig() as own:
            for number in range(50):
                await own.spawn(f"u{number}", "sleep", "900", stdin="pipe")
            assert not await own.client.stop("nobody", signal.SIGTERM, 1)
            before = status_of(own.keeper_pid, "voluntary_ctxt_switches")
            spawned, out = await own.shell("slow", "sleep 0.7; echo done")  # something to wait for meanwhile
            await out.text()
            await own.exit_of("slow")
            woken = status_of(own.keeper_pid, "voluntary_ctxt_switches") - before
            assert woken <= 12, "a keeper that polls, even once in 50 ms, would be woken more often"
            # The pages of the interpreter's file are not counted for the keeper alone: its server maps them, too.
            assert status_of(own.keeper_pid, "Pss", "smaps_rollup") <= 12 * 1024
            assert status_of(own.keeper_pid, "RssAnon") <= 8 * 1024
            assert spawned.pid

    asyncio.run(run())


def test_the_log_is_turned_over_when_it_has_grown(short_dir: Path) -> None:
    (short_dir / "host.log").write_bytes(b"x" * ((1 << 20) + 1))
    with keeper_process(short_dir) as launched:
        assert isinstance(launched, Launched)
        assert (short_dir / "host.log.1").stat().st_size > 1 << 20
        assert (short_dir / "host.log").stat().st_size < 1 << 20
