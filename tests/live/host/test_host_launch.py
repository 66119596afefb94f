"""The host from outside: started on first use, by two at once, over TCP, asked, ended, and its end when idle."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from sbxcompose import __version__
from sbxcompose.engine.local_host import keeper_start, launch
from sbxcompose.errors import Conflict, ProviderError
from sbxcompose.host.keeper.hostrecord import HostRecord
from sbxcompose.paths import PathError
from tests.live.host.hosts import LiveHost, client_of, in_time, live_host
from tests.support.home import Home, alive_with, wait_gone
from tests.support.waiting import until


def keepers(home: Home) -> int:
    return sum("keeper.main" in command for command in alive_with(home.marker).values())


def test_the_second_call_finds_the_first_ones_host(host: LiveHost) -> None:
    before = host.status
    assert launch.ensure_host() == host.path
    after = launch.status()
    assert after is not None
    assert (after["pid"], after["keeper_pid"]) == (before["pid"], before["keeper_pid"])
    assert after["version"] == __version__


def test_a_host_started_ahead_is_used(host_environ: Home) -> None:
    keeper_start.start_ahead()
    try:
        path = launch.ensure_host()
        assert launch.ensure_host() == path
        assert keepers(host_environ) == 1
    finally:
        launch.stop(force=True)


def test_no_second_host_is_started_ahead(host: LiveHost) -> None:
    keeper_start.start_ahead()
    assert keeper_start.take_started_ahead() is None
    assert launch.ensure_host() == host.path


def test_a_keeper_started_ahead_ends_when_another_has_the_lock(host: LiveHost) -> None:
    before = host.status
    late = keeper_start.StartedKeeper()
    assert late.answer() == {"status": "taken"}
    assert host.status["keeper_pid"] == before["keeper_pid"]


def test_an_error_of_a_start_ahead_is_raised_once_the_host_is_needed(
    host_environ: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = host_environ.root / "open"
    place.mkdir(mode=0o755)
    place.chmod(0o755)
    monkeypatch.setenv("SBXCOMPOSE_STATE_DIR", str(place))
    keeper_start.start_ahead()
    assert keeper_start.take_started_ahead() is None
    with pytest.raises(PathError, match="open to other users"):
        launch.ensure_host()


def test_many_at_once_end_up_with_one_host(host_environ: Home) -> None:
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(launch.ensure_host())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(paths) == 8
        assert len(set(paths)) == 1
        status = launch.status()
        assert status is not None
        assert keepers(host_environ) == 1
    finally:
        launch.stop(force=True)
    assert keepers(host_environ) == 0


def test_a_stale_socket_is_not_an_obstacle(host_environ: Home) -> None:
    host_environ.runtime.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(host_environ.runtime / "host.sock"))
    assert launch.status() is None
    with live_host(host_environ) as host:
        assert host.status["running_processes"] == 0


def test_without_a_host_there_is_nothing_to_say_or_stop(host_environ: Home) -> None:
    assert launch.status() is None
    assert launch.stop() is False
    assert alive_with(host_environ.marker) == {}


def test_a_stop_is_refused_while_something_runs_unless_forced(host: LiveHost) -> None:
    box = host.box()
    row = box.shell("trap 'echo bye; exit 0' TERM; sleep 1000 & echo up; wait", "web")
    box.wait_for_line("web", "up")
    with pytest.raises(Conflict, match="still running: box/web") as refused:
        launch.stop()
    assert "force" in str(refused.value.hint)
    assert box.row("web") == row
    assert launch.stop(force=True) is True
    assert launch.status() is None
    assert alive_with(host.home.marker) == {}


def test_a_stop_during_which_something_is_started_says_so(host_environ: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host had nothing to keep it, agreed to end, and then another command was quicker."""
    answers = iter([{"keeper_pid": os.getpid()}])

    def ask(*_: object, **__: object) -> dict[str, int]:
        answer = next(answers, None)
        if answer is None:
            raise Conflict("still running: box/web", status=409)
        return answer

    monkeypatch.setattr(launch, "ask", ask)
    monkeypatch.setattr(launch, "PATIENCE", 0.0)
    monkeypatch.setattr("sbxcompose.engine.local_host.locate.find", lambda: host_environ.socket)
    with pytest.raises(Conflict, match="still running: box/web"):
        launch.stop()


def test_the_answer_to_a_bad_stop(kept_host: LiveHost) -> None:
    assert kept_host.http.post("/host/v1/stop", json={"force": "yes"}).status_code == 422
    assert kept_host.http.get("/host/v1/stop").status_code == 405


def test_a_host_of_another_version_is_reported(host: LiveHost) -> None:
    path = host.home.state / "host.json"
    assert host.status["version"] == json.loads(path.read_text())["version"] == __version__
    said: list[str] = []
    launch.ensure_host(report=said.append)
    assert said == []
    path.write_text(json.dumps({"version": "0.0.1"}))
    launch.ensure_host(report=said.append)
    (words,) = said
    assert "version 0.0.1" in words
    assert f"this is {__version__}" in words


def test_over_tcp_with_the_key_and_not_without(host_environ: Home) -> None:
    with live_host(host_environ, port=0) as host:
        tcp = host.status["tcp"]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", tcp)
        key = launch.api_key()
        assert (host_environ.state / "host.key").stat().st_mode & 0o777 == 0o600
        with client_of(tcp=tcp, key=key) as http:
            made = http.post("/sandboxes", json={"name": "box"}).json()
            assert made["sandbox_url"] == tcp
            assert http.get("/sandboxes/box").json()["sandbox_url"] == tcp
            assert http.get("/api/v1/processes", headers={"Host": "box.local"}).json() == {"processes": []}
            for headers in ({"Host": "evil.example"}, {"Origin": "http://localhost:3000"}, {"Authorization": "x"}):
                assert http.get("/sandboxes", headers=headers).status_code in (401, 403)
        with client_of(tcp=tcp) as http:
            for path in ("/sandboxes", "/host/v1/status", "/api/v1/health", "/nope"):
                assert (http.get(path).status_code, http.get(path).json()["code"]) == (401, "UNAUTHORIZED")


def test_a_key_of_ones_own(host_environ: Home) -> None:
    with live_host(host_environ, port=0, key="my key") as host:
        with client_of(tcp=host.status["tcp"], key="my key") as http:
            assert http.get("/sandboxes").status_code == 200
        port = int(host.status["tcp"].rpartition(":")[2])
        launch.ensure_host(port=port)
        with pytest.raises(ProviderError, match="the host is already running, at http"):
            launch.ensure_host(port=1 if port != 1 else 2)


def test_a_host_in_which_something_runs_gets_no_port_later(host_environ: Home) -> None:
    with live_host(host_environ) as host:
        box = host.box()
        box.shell("echo up; exec sleep 1000", "web")
        box.wait_for_line("web", "up")
        with pytest.raises(ProviderError, match="without a port"):
            launch.ensure_host(port=0)
        assert host.status["tcp"] is None


def test_an_idle_host_that_a_command_has_started_gives_way_to_one_with_a_port(host_environ: Home) -> None:
    launch.ensure_host()
    before = launch.status()
    with live_host(host_environ, port=0) as host:
        assert before is not None
        assert host.status["keeper_pid"] != before["keeper_pid"]
        assert host.status["tcp"] is not None
        launch.ensure_host()
        launch.ensure_host(options={launch.ISOLATION: "auto"})
        assert host.status["keeper_pid"] == (launch.status() or {})["keeper_pid"]


def test_a_host_that_never_ends_by_itself_does_not_give_way(host_environ: Home) -> None:
    with (
        live_host(host_environ, {launch.IDLE: "never"}),
        pytest.raises(ProviderError, match="without a port"),
    ):
        launch.ensure_host(port=0)


@pytest.mark.parametrize("what", ["a link", "a FIFO", "a directory"])
def test_a_log_that_is_not_a_file_is_named_with_the_remedy(host_environ: Home, what: str) -> None:
    log = host_environ.runtime / "host.log"
    log.parent.mkdir(mode=0o700)
    match what:
        case "a link":
            log.symlink_to("/nowhere/at all")
        case "a FIFO":
            os.mkfifo(log)
        case _:
            log.mkdir()
    with pytest.raises(ProviderError, match=rf"{re.escape(str(log))} is not a regular file; remove it"):
        launch.ensure_host()


def test_a_port_that_is_taken_is_reported_and_by_whom(host_environ: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ProviderError, match=rf"port {port} is in use by .* \(pid {os.getpid()}\)"):
            launch.ensure_host(port=port)
    assert alive_with(host_environ.marker) == {}


def test_an_idle_host_ends(host_environ: Home) -> None:
    with live_host(host_environ, {"SBXCOMPOSE_HOST_IDLE": "0.3"}) as host:
        assert wait_gone(list(alive_with(host_environ.marker)), 60)
        assert not host.path.exists()
        assert "no process and no request for 0.3 s; the host exits" in host.log
        assert "Traceback" not in host.log


def test_a_host_in_which_something_runs_does_not_end(host_environ: Home) -> None:
    def work(host: LiveHost, idle: float) -> None:
        acceptor = host_environ.root / "gate"
        os.mkfifo(acceptor)
        keeper = os.pidfd_open(host.status["keeper_pid"])
        try:
            host.box(isolation="none").shell(f"read _ < {acceptor}", "web")
            assert not select.select([keeper], [], [], 2 * idle)[0]
            acceptor.write_text("go\n")
            assert select.select([keeper], [], [], 120)[0]
        finally:
            os.close(keeper)
            acceptor.unlink()

    in_time(host_environ, work)


FOREGROUND = "from sbxcompose.engine.local_host import launch; launch.serve_foreground()"


def test_in_the_foreground_ctrl_c_ends_it_gracefully(host_environ: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SBXCOMPOSE_HOST_IDLE")
    command = [sys.executable, "-c", FOREGROUND]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True) as serving:
        try:
            until(lambda: launch.status() is not None or serving.poll() is not None)
            assert serving.poll() is None
            host = LiveHost(host_environ, launch.ensure_host())
            # It does not end because nobody asks anything of it.
            assert b"\0SBXCOMPOSE_HOST_IDLE=never\0" in Path(f"/proc/{host.status['pid']}/environ").read_bytes()
            with pytest.raises(ProviderError, match="a host is already running"):
                launch.serve_foreground()
            box = host.box()
            box.shell("trap 'exit 0' TERM; sleep 1000 & echo up; wait", "web")
            box.wait_for_line("web", "up")
            host.http.close()
            os.killpg(serving.pid, signal.SIGINT)
            assert serving.wait(60) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(serving.pid, signal.SIGKILL)
        assert serving.stderr
        assert "Traceback" not in serving.stderr.read()
    record = next((host_environ.state / "sandboxes").glob("*/processes/1.json")).read_text()
    assert '"exit_code":0' in record.splitlines()[-1]


def test_a_state_directory_that_cannot_be_used_is_reported(host_environ: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = host_environ.root / "file"
    blocked.write_text("")
    monkeypatch.setenv("SBXCOMPOSE_STATE_DIR", str(blocked))
    with pytest.raises(PathError, match=r"not a directory: .*file"):
        launch.ensure_host()


def test_status_over_a_broken_host_is_an_error_not_a_traceback(host_environ: Home) -> None:
    host_environ.runtime.mkdir(mode=0o700)
    host_environ.state.mkdir(mode=0o700)
    path = str(host_environ.runtime / "host.sock")
    with socket.socket(socket.AF_UNIX) as silly, open(host_environ.state / "host.lock", "w") as lock:
        silly.bind(path)
        silly.listen()
        fcntl.flock(lock, fcntl.LOCK_EX)
        HostRecord(os.getpid(), path, [], "host.log").write(str(host_environ.state / "host.lock"), lock.fileno())

        def answer() -> None:
            asked = 0
            while asked < 2:  # a read is tried twice
                connection, _ = silly.accept()
                with connection:
                    if connection.recv(1024):
                        asked += 1
                        connection.sendall(b"hello\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ProviderError, match="does not answer: illegal status line"):
            launch.status()
        thread.join()


def test_the_light_half_is_light() -> None:
    script = (
        "import sys; from sbxcompose.engine.local_host import launch;"
        "print(*{'asyncio', 'pydantic', 'httpx', 'starlette', 'h11', 'rich', 'click'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""


def test_a_keep_alive_connection_serves_many_requests(kept_host: LiveHost) -> None:
    transport = httpx.HTTPTransport(uds=str(kept_host.path), verify=False)
    with httpx.Client(transport=transport, base_url="http://localhost") as http:
        assert all(http.get("/host/v1/status").status_code == 200 for _ in range(200))
