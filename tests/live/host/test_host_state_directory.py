"""One host for each state directory, found from there whatever the runtime directory is."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from sbxcompose.engine.local_host import launch, locate
from sbxcompose.errors import Unreachable
from sbxcompose.host.keeper import hostrecord
from sbxcompose.host.keeper.hostrecord import HostRecord
from tests.live.host.hosts import LiveHost, client_of, live_host
from tests.support.home import Home, alive_with, wait_gone
from tests.support.host_state import DAMAGES
from tests.support.waiting import until


def pids(path: Path) -> tuple[int, int]:
    """The keeper and the server behind a socket."""
    with client_of(path) as client:
        status = client.get("/host/v1/status").raise_for_status().json()
    return status["keeper_pid"], status["pid"]


def test_another_runtime_directory_leads_to_the_same_host(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = host.box().shell("exec sleep 1000", "web")
    before = pids(host.path)
    monkeypatch.setenv("SBXCOMPOSE_RUNTIME_DIR", str(tmp_path / "other"))
    assert launch.ensure_host() == host.path
    assert pids(host.path) == before
    assert os.getpgid(process["pid"])
    assert launch.status() is not None


def test_a_runtime_directory_that_cannot_be_used_does_not_hide_the_host(
    host: LiveHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SBXCOMPOSE_RUNTIME_DIR", str(tmp_path / "file"))
    assert launch.ensure_host() == host.path


def test_a_host_whose_runtime_directory_was_removed_listens_anew(host: LiveHost) -> None:
    process = host.box().shell("exec sleep 1000", "web")
    before = pids(host.path)
    host.http.close()
    shutil.rmtree(host.home.runtime)
    path = launch.ensure_host()
    assert path == host.home.state / "host.sock"
    assert pids(path) == before
    assert os.getpgid(process["pid"])
    for pid in before:  # its successors know where it listens
        os.kill(pid, signal.SIGKILL)
        assert wait_gone([pid], 60)
        before = until(lambda: pids(path), before.__ne__)
    assert launch.ensure_host() == path


def test_a_socket_that_was_moved_away_is_bound_anew_and_left_alone(host: LiveHost) -> None:
    before = pids(host.path)
    elsewhere = host.path.with_name("moved")
    host.path.rename(elsewhere)
    assert launch.ensure_host() == host.path
    assert pids(host.path) == before
    assert launch.stop(force=True)
    assert elsewhere.exists()
    assert not host.path.exists()


def test_two_state_directories_with_one_runtime_directory_are_two_hosts(
    host: LiveHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = host.home.root / "other-state"
    monkeypatch.setenv("SBXCOMPOSE_STATE_DIR", str(own))
    path = launch.ensure_host()
    assert path == own / "host.sock"
    assert pids(path) != pids(host.path)
    assert launch.stop()
    assert not path.exists()
    assert pids(host.path)
    monkeypatch.setenv("SBXCOMPOSE_STATE_DIR", str(host.home.state))
    assert launch.ensure_host() == host.path


def test_a_host_that_ended_leaves_no_record(host: LiveHost) -> None:
    assert hostrecord.read(host.home.state / "host.lock") is not None
    assert launch.stop(force=True)
    assert hostrecord.read(host.home.state / "host.lock") is None
    assert launch.stop(force=True) is False


def test_stopping_a_host_that_was_killed_stops_what_it_left_running(host: LiveHost) -> None:
    host.box().begin("sleep", "1000", name="web")
    victims = list(pids(host.path))
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in victims:
            os.kill(pid, number)
    assert wait_gone(victims, 60)
    assert "sleep 1000" in alive_with(host.home.marker).values()
    assert launch.stop(force=True) is True
    assert "sleep 1000" not in alive_with(host.home.marker).values()


def test_a_socket_that_only_a_starting_process_still_holds_is_not_handed_out(host_environ: Home) -> None:
    """A killed host's sockets and lock stay open in a process that was just being started, until its exec."""
    for directory in (host_environ.state, host_environ.runtime):
        directory.mkdir(mode=0o700)
    over = subprocess.Popen(["true"])
    over.wait()
    with open(host_environ.state / "host.lock", "w") as lock, socket.socket(socket.AF_UNIX) as listener:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listener.bind(str(host_environ.socket))
        listener.listen()
        identity = hostrecord.identity_of(str(host_environ.socket))
        record = HostRecord(over.pid, str(host_environ.socket), identity, "")
        record.write(str(host_environ.state / "host.lock"), lock.fileno())

        def exec_late() -> None:
            for _ in range(2):  # is there a listener; and how is the host
                listener.accept()[0].close()
            listener.close()
            lock.close()

        starting = threading.Thread(target=exec_late)
        starting.start()
        with live_host(host_environ) as host:
            starting.join()
            assert host.status["keeper_pid"] != over.pid


def test_the_host_of_a_copied_state_directory_leaves_alone_what_the_first_one_runs(
    host: LiveHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that is looked into, or a home directory that was copied, while the original is in use."""
    box, own = host.box(), host.box("own")
    web = box.shell("exec sleep 1000", "web", restart={"policy": "always"})
    bare = box.begin("env", "-i", "sleep", "1000")
    before = pids(host.path)
    copy = host.home.root / "copy"
    subprocess.run(["cp", "-a", str(host.home.state), str(copy)], check=True)
    monkeypatch.setenv("SBXCOMPOSE_STATE_DIR", str(copy))
    path = launch.ensure_host()
    with client_of(path) as client:
        headers = {"X-Tensorlake-Sandbox-Id": box.id}
        rows = client.get("/api/v1/processes", headers=headers).raise_for_status().json()["processes"]
        workspace = client.get(f"/sandboxes/{own.id}").raise_for_status().json()["workspace_directory"]
    assert launch.stop(force=True)
    assert path == copy / "host.sock"
    assert [row["status"] for row in rows] == ["exited", "exited"]
    assert rows[0]["managed"]["last_error"] == "the state directory was copied while it ran"
    assert workspace.startswith(str(copy))
    monkeypatch.setenv("SBXCOMPOSE_STATE_DIR", str(host.home.state))
    assert launch.ensure_host() == host.path
    assert pids(host.path) == before
    assert [row["pid"] for row in box.rows()] == [web["pid"], bare["pid"]]


@pytest.mark.parametrize("how", ["missing", "garbage", "a directory", "a FIFO"])
def test_a_host_whose_lock_file_was_removed_or_damaged_is_found(host: LiveHost, how: str) -> None:
    """A lock that seems to be stale gets removed; the next command must not start a second host."""
    process = host.box().shell("exec sleep 1000", "web")
    before = pids(host.path)
    DAMAGES[how](host.home.state / "host.lock")
    assert launch.ensure_host() == host.path
    assert pids(host.path) == before
    if how == "missing":
        DAMAGES[how](host.home.state / "host.lock")
        host.kill("keeper")
        assert launch.ensure_host() == host.path
        assert pids(host.path)[1] == before[1]
    assert os.getpgid(process["pid"])
    assert launch.stop(force=True)
    assert not locate.was_killed()


@pytest.mark.parametrize("how", ["nested", "a directory", "a FIFO"])
def test_a_host_starts_whatever_is_in_the_place_of_its_lock_file(host_environ: Home, how: str) -> None:
    host_environ.state.mkdir(mode=0o700)
    (host_environ.state / "host.lock").touch()
    DAMAGES[how](host_environ.state / "host.lock")
    assert launch.status() is None
    with live_host(host_environ) as host:
        assert locate.find() == host.path


def test_a_host_that_does_not_answer_is_not_called_stopped(host_environ: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "PATIENCE", 0.0)
    host_environ.state.mkdir(mode=0o700)
    with open(host_environ.state / "host.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for ask in (launch.stop, launch.status, launch.ensure_host):
            with pytest.raises(Unreachable, match="the host is running, but does not answer"):
                ask()
