"""What a fork of the server has of its client: everything that a process of its own would have."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.warm import handover, wire
from sbxcompose.warm.client import is_stopped
from tests.support.code_server import CLIENT
from tests.support.command import LIMIT, Running
from tests.support.home import MARKER, end_of
from tests.support.warm import CodeServer

READY = "import sys, os, signal, time\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CodeServer]:
    with CodeServer(tmp_path_factory.mktemp("warm")) as running:
        yield running
    assert not end_of(running.env[MARKER])


def told(server: CodeServer, code: str, **options: Any) -> Any:
    """What code that prints JSON has printed in a fork."""
    done = server.run(code, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_arguments_environment_directory_umask_and_zone(server: CodeServer, tmp_path: Path) -> None:
    code = (
        "import json, os, sys, time; mask = os.umask(0); os.umask(mask)\n"
        "print(json.dumps([arguments, dict(os.environ), os.getcwd(), mask, time.tzname[0], sys.stdin.read()]))"
    )
    env = {**server.env, "TZ": "XYZ-3", "ONE": "1", "ODD": "a=\udcff\n"}
    done = subprocess.run(
        [sys.executable, CLIENT, "first", "second", code],
        cwd=tmp_path, env=env, input=b"typed", capture_output=True, umask=0o27, check=True,
    )  # fmt: skip
    given, found, *others = json.loads(done.stdout)
    assert given == ["first", "second"]
    if "LC_CTYPE" not in env:  # Python sets it where there is no locale (PEP 538)
        found.pop("LC_CTYPE", None)
    assert found == env
    assert others == [str(tmp_path), 0o27, "XYZ", "typed"]


def test_standard_streams_and_exit_code(server: CodeServer) -> None:
    done = server.run("import sys; print('out'); print('err', file=sys.stderr); code = 7", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_other_descriptors_under_their_numbers(server: CodeServer) -> None:
    read, write = os.pipe()
    high = os.dup(read)
    os.write(write, b"through a pipe")
    os.close(write)
    code = f"print(open('/dev/fd/{high}').read(), os.get_inheritable({high}))"
    done = server.run("import os\n" + code, pass_fds=[read, high])
    os.close(read)
    os.close(high)
    assert done.stdout == "through a pipe True\n"


def test_descriptors_that_were_not_inherited_are_not_there(server: CodeServer) -> None:
    code = (
        "import fcntl\ndef inheritable(n):\n  try: return not fcntl.fcntl(n, fcntl.F_GETFD)\n"
        "  except OSError: return False\n"
    )
    assert told(server, code + "print([n for n in range(300) if inheritable(n)])") == [0, 1, 2]


def test_ignored_signals_stay_ignored_and_others_are_not(server: CodeServer) -> None:
    numbers = "(signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD)"
    code = f"import signal\nprint([int(signal.getsignal(n)) for n in {numbers}])"
    assert told(server, code, shell="trap '' HUP QUIT; exec") == [1, 1, 0, 0]
    assert told(server, code) == [0, 0, 0, 0]
    assert told(server, "import signal\nprint(int(signal.getsignal(2) is signal.default_int_handler))") == 1


def test_it_is_a_process_that_ends_with_its_client(server: CodeServer) -> None:
    with server.start(READY + "print('pid', os.getpid(), flush=True); time.sleep(1000)") as running:
        pid = int(running.wait_for(r"pid \d+\n").split()[1])
        end = os.pidfd_open(pid)
        running.signal(signal.SIGKILL)
        assert running.wait().code == -signal.SIGKILL
        server.wait_for_end(end)


def test_an_end_by_a_signal_is_the_clients_too(server: CodeServer) -> None:
    assert server.run("import os; os.kill(os.getpid(), 10)").returncode == -signal.SIGUSR1
    assert server.run("import os; os.kill(os.getpid(), 9)").returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH, signal.SIGQUIT])
def test_signals_reach_the_fork(server: CodeServer, number: int) -> None:
    code = (
        "def caught(n, frame):\n  print('caught', int(n)); raise KeyError\n"
        f"signal.signal({number}, caught)\n"
        "try:\n  print('ready', flush=True); time.sleep(1000)\nexcept KeyError: code = 3"
    )
    with server.start(READY + code) as running:
        running.wait_for("ready")
        running.signal(number)
        running.wait_for(f"caught {int(number)}")
        assert running.wait().code == 3


def test_a_signal_that_is_not_caught_ends_both(server: CodeServer) -> None:
    with server.start(READY + "print('ready', flush=True); time.sleep(1000)") as running:
        running.wait_for("ready")
        running.signal(signal.SIGTERM)
        assert running.wait().code == -signal.SIGTERM


def test_ctrl_c_on_a_terminal_interrupts_once(server: CodeServer) -> None:
    code = (
        "n = []\nsignal.signal(2, lambda *_: n.append(1))\nprint('ready', flush=True)\n"
        "while len(n) < 1: signal.pause()\nprint('times', len(n), flush=True)"
    )
    with server.start(READY + code, terminal=True) as running:
        running.wait_for("ready")
        running.interrupt()
        running.wait_for("times 1")
        assert running.wait().code == 0


def test_a_closed_terminal_hangs_up(server: CodeServer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "said")
    code = (
        f"def hung(*_):\n  open({str(tmp_path / 'said')!r}, 'w').write('hung up'); os._exit(0)\n"
        "signal.signal(1, hung)\nprint('ready', flush=True)\nwhile True: signal.pause()"
    )
    master, slave = pty.openpty()
    command = ["setsid", "--ctty", sys.executable, str(CLIENT), READY + code]
    process = subprocess.Popen(command, env=server.env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    assert b"ready" in os.read(master, 100)
    os.close(master)
    assert (tmp_path / "said").read_text() == "hung up"
    process.wait()


def on_shell(server: CodeServer, tmp_path: Path, code: str, script: str) -> Running:
    """An interactive shell on a terminal that runs `script`, in which `$C` is a client that runs the code."""
    (tmp_path / "code").write_text(READY + code)
    env = {**server.env, "C": f"{sys.executable} {CLIENT}", "CODE": READY + code}
    return Running(["bash", "--norc", "-ic", script], tmp_path, env, terminal=True)


def wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + LIMIT
    while not is_stopped(pid):
        assert time.monotonic() < deadline, "not stopped"
        time.sleep(0.01)


def test_ctrl_z_stops_both_and_fg_continues_both(server: CodeServer, tmp_path: Path) -> None:
    code = "print('fork', os.getpid(), flush=True)\nprint('typed', sys.stdin.readline().strip(), flush=True)"
    script = '$C "$CODE"; echo stopped $?; read x; fg; echo ended $?'
    with on_shell(server, tmp_path, code, script) as running:
        pid = int(running.wait_for(r"fork \d+\r\n").split("fork ")[1].split()[0])
        running.press("\x1a")
        running.wait_for("stopped 148")
        wait_until_stopped(pid)
        running.press("for the shell\n")
        running.press("for the command\n")
        running.wait_for("typed for the command")
        running.wait_for("ended 0")


def test_a_read_in_the_background_stops_the_job(server: CodeServer, tmp_path: Path) -> None:
    code = (
        "from sbxcompose.warm import job_control\nprint('reading', flush=True)\n"
        "with job_control.reading(0): line = os.read(0, 100)\nprint('typed', line, flush=True)"
    )
    script = '$C "$CODE"; bg; wait; jobs -l; read x; fg; echo ended $?'
    with on_shell(server, tmp_path, code, script) as running:
        running.wait_for("reading")
        running.press("\x1a")
        running.wait_for(r"Stopped \(tty input\)")
        running.press("for the shell\n")
        running.press("for the command\n")
        running.wait_for(r"typed b'for the command\\n'")
        running.wait_for("ended 0")


class _Patience(socket.socket):
    """Notes how long each read of it would wait."""

    def __init__(self, own: socket.socket) -> None:
        super().__init__(fileno=own.detach())
        self.settimeout(handover.PATIENCE)
        self.waits: list[float | None] = []

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        self.waits.append(self.gettimeout())
        return super().recv(size, flags)


@pytest.mark.parametrize("answer", [wire.GO, b""])
def test_a_client_that_has_been_told_all_is_ready_has_all_the_time_to_begin(answer: bytes) -> None:
    """It may be stopped, or not get its turn; by then it no longer runs the command itself."""
    theirs, own = socket.socketpair()
    with theirs, _Patience(own) as ours:
        if answer:
            wire.send(theirs, answer)
        else:
            theirs.shutdown(socket.SHUT_WR)
        assert handover.ForkClient(ours, os.getpid()).begin() is bool(answer)
        assert ours.waits == [None]
