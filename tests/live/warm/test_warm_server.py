"""A fork server in trouble costs a cold start, and nothing else."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sbxcompose.warm import control
from tests.support.home import MARKER, end_of
from tests.support.waiting import until
from tests.support.warm import CodeServer

COLD = 77
FOREVER = "import time\nprint('ready', flush=True)\ntime.sleep(1000)"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CodeServer]:
    with CodeServer(tmp_path) as running:
        yield running
    end_of(running.env[MARKER])


def end(server: CodeServer) -> int:
    """A pidfd of the server."""
    return os.pidfd_open(server.process.pid)


def is_warm(server: CodeServer) -> bool:
    done = server.run("print('warm')")
    assert (done.returncode, done.stdout.split()[0]) in ((0, "warm"), (COLD, "cold"))
    return done.returncode == 0


def test_a_killed_server_costs_a_cold_start_and_its_forks_nothing(server: CodeServer) -> None:
    code = "print('ready', flush=True)\nimport sys\ncode = int(sys.stdin.readline())"
    with server.start(code) as running:
        running.wait_for("ready")
        server.process.kill()
        server.process.wait()
        running.press("5\n")
        assert running.wait().code == 5
    assert not is_warm(server)


def test_a_stopped_server_costs_a_cold_start_and_never_runs_the_command_later(
    server: CodeServer, tmp_path: Path
) -> None:
    server.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
    done = server.run(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert done.returncode == COLD
    server.process.send_signal(signal.SIGCONT)
    assert is_warm(server)
    assert not (tmp_path / "ran").exists()


def test_a_server_without_free_descriptors_ends(server: CodeServer) -> None:
    ended = end(server)
    used = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used, used))
    assert not is_warm(server)
    server.wait_for_end(ended)
    assert not control.paths(str(server.folder))


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_server_whose_files_have_changed_ends(tmp_path: Path, change: str) -> None:
    module = tmp_path / "one_module.py"
    module.write_text("A = 1\n")
    with CodeServer(tmp_path, TEST_MODULE=str(module)) as server:
        assert is_warm(server)
        ended = end(server)
        module.write_text("A = 22\n") if change == "edit" else module.unlink()
        assert not is_warm(server)
        server.wait_for_end(ended)


@pytest.mark.parametrize("words", ["ulimit -n 333; exec", "ulimit -c 0; exec nice -n 1", "export LANG=xx; exec"])
def test_a_client_in_other_circumstances_starts_cold(server: CodeServer, words: str) -> None:
    assert server.run("pass", shell=words).returncode == COLD


def test_a_server_whose_own_circumstances_have_changed_refuses(server: CodeServer) -> None:
    os.setpriority(os.PRIO_PROCESS, server.process.pid, 3)
    assert not is_warm(server)


@pytest.mark.parametrize("fd", ["<&-", ">&-", "2>&-"])
def test_closed_standard_streams_start_cold(server: CodeServer, fd: str) -> None:
    done = server.run("open('/dev/null')", shell=f"exec {fd};")
    assert done.returncode == COLD


def test_a_directory_that_others_may_enter_is_not_used(server: CodeServer) -> None:
    server.folder.chmod(0o755)
    assert not is_warm(server)


def test_an_idle_server_ends(tmp_path: Path) -> None:
    with CodeServer(tmp_path, "0.01") as server:
        assert server.process.wait(60) == 0
        assert not control.paths(str(server.folder))


def test_a_server_that_is_told_to_end_lets_its_forks_end_first(server: CodeServer) -> None:
    with server.start(FOREVER) as running:
        running.wait_for("ready")
        assert control.end(control.paths(str(server.folder))[0])
        assert not is_warm(server)
        assert server.process.poll() is None
        running.signal(signal.SIGKILL)
        running.wait()
    assert server.process.wait(60) == 0


def test_a_server_that_does_not_answer_ends_when_it_continues(
    server: CodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_warm(server)  # it listens before it handles signals
    monkeypatch.setattr(control, "PATIENCE", 0.01)
    (path,) = control.paths(str(server.folder))
    server.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
    assert control.end(path)
    assert not os.path.lexists(path)
    server.process.send_signal(signal.SIGCONT)
    assert server.process.wait(60) == 0


def test_its_status(server: CodeServer) -> None:
    is_warm(server)
    found = control.all_status(server.env)
    assert [status["pid"] for status in found] == [server.process.pid]
    assert found[0]["commands"] >= 1


def test_only_commands_that_ran_are_counted(server: CodeServer) -> None:
    (path,) = control.paths(str(server.folder))
    until(lambda: is_warm(server))
    before = count(server)
    for _ in range(3):
        assert control.is_alive(path)  # connects, and leaves without a request
        assert control.all_status(server.env)
    assert is_warm(server)
    assert count(server) == before + 1


def count(server: CodeServer) -> int:
    """The commands that it has run, once no question is among them any more."""
    pid = server.process.pid
    until(Path(f"/proc/{pid}/task/{pid}/children").read_text, lambda forks: not forks, what="a fork does not end")
    (status,) = control.all_status(server.env)
    commands: int = status["commands"]
    return commands


def test_what_a_killed_server_has_left_is_removed(server: CodeServer) -> None:
    path = control.paths(str(server.folder))[0]
    assert control.is_alive(path)
    server.process.kill()
    server.process.wait()
    until(lambda: not control.is_alive(path))  # what it had forked may have the socket for a moment
    assert not os.path.lexists(path)
