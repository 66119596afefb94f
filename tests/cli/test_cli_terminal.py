"""`shell`, and `exec` and `run` on a terminal: keys, output, sizes, codes, and a terminal that is whole after."""

from __future__ import annotations

import os
import signal
import termios

import pytest

from tests.cli.looking import WEB, Gate, refused, web
from tests.support.command import LIMIT, Running, Sbx
from tests.support.home import wait_gone


def cooked(running: Running) -> bool:
    """Whether its terminal is as a shell needs it: echo, lines, signals, and line ends made whole."""
    assert running._master is not None
    modes = termios.tcgetattr(running._master)
    wanted = termios.ECHO | termios.ICANON | termios.ISIG
    return modes[3] & wanted == wanted and bool(modes[1] & termios.OPOST)


def on_terminal(sbx: Sbx, *arguments: str) -> Running:
    return sbx.start(*arguments, terminal=True)


def test_exec_on_a_terminal_has_one_of_its_own(sbx: Sbx) -> None:
    web(sbx)
    script = 'tty; stty size; echo "$OF_WEB in $PWD on $TERM"; read x; echo "got $x"; read y; exit 5'
    running = on_terminal(sbx, "exec", "web", "sh", "-c", script)
    running.wait_for("on xterm-256color")
    assert not cooked(running)
    running.press("it\n")
    shown = running.wait_for("got it")
    assert "24 100\r\n" in shown
    assert f"yes indeed in {sbx.project}/sub" in shown
    running.press("\n")
    assert running.wait().code == 5
    assert cooked(running)


def test_the_size_of_the_window_is_passed_on(sbx: Sbx) -> None:
    web(sbx)
    running = on_terminal(sbx, "exec", "web", "sh", "-c", "trap 'stty size' WINCH; echo up; while :; do read x; done")
    running.wait_for("up")
    running.resize(50, 133)
    running.wait_for("50 133")
    running.press("\x1c")  # Ctrl-\ goes to the command, too
    assert running.wait().code == 128 + signal.SIGQUIT


def test_keys_are_the_commands_own(sbx: Sbx) -> None:
    web(sbx)
    running = on_terminal(
        sbx, "exec", "web", "sh", "-c", "trap 'echo heard' INT; echo up; while :; do read x || exit 3; done"
    )
    running.wait_for("up")
    running.press("\x03")
    running.wait_for("heard")
    running.press("\x04")
    assert running.wait().code == 3


def test_without_a_terminal_streams_are_plain(sbx: Sbx) -> None:
    web(sbx)
    plain = on_terminal(sbx, "exec", "-T", "web", "sh", "-c", "test -t 1 || echo plain; exit 4")
    assert plain.wait().code == 4
    assert "plain" in plain.out.text
    assert sbx.run("exec", "web", "sh", "-c", "test -t 0 || echo plain").stdout == "plain\n"


def test_a_terminal_can_be_had_without_having_one(sbx: Sbx) -> None:
    web(sbx)
    done = sbx.run("exec", "-it", "web", "sh", "-c", "stty -echo; test -t 0 && echo up; cat", stdin="typed\n")
    assert done.stdout.endswith("up\r\ntyped\r\n")


def test_no_interactive_passes_nothing_on(sbx: Sbx) -> None:
    web(sbx)
    assert sbx.run("exec", "--no-interactive", "web", "cat", stdin="not for you").stdout == ""


def test_what_cannot_be_started_leaves_the_terminal_alone(sbx: Sbx) -> None:
    web(sbx)
    running = on_terminal(sbx, "exec", "web", "no-such-command")
    assert running.wait().code == 127
    assert "no-such-command" in running.out.text
    assert cooked(running)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_us_ends_the_session_and_restores_the_terminal(sbx: Sbx, number: signal.Signals) -> None:
    web(sbx)
    script = r"printf '\033[?1049h\033[?25l\033[?1000hhere %s.' $$; exec sleep 1000"
    running = on_terminal(sbx, "exec", "web", "sh", "-c", script)
    pid = int(running.wait_for(r"here \d+\.").rpartition("here ")[2].rstrip("."))
    running.signal(number)
    result = running.wait()
    assert result.code == 130
    assert result.stdout.partition("here")[2].partition(".")[2].startswith("\r\n\x1b[?1049l\x1b[?25h\x1b[?1000l")
    assert cooked(running)
    assert wait_gone([pid], LIMIT)


def test_run_has_a_terminal_too(sbx: Sbx) -> None:
    sbx.write("processes: {job: {command: 'tty; exit 6', restart: never}}\n")
    running = on_terminal(sbx, "run", "job")
    assert running.wait().code == 6
    assert "/dev/pts/" in running.out.text


def test_a_shell_beside_a_process_has_its_surroundings(sbx: Sbx) -> None:
    web(sbx)
    sbx.env["SHELL"] = "/bin/sh"
    running = on_terminal(sbx, "shell", "web")
    running.press('echo "<$OF_WEB>"; pwd; exit 9\n')
    running.wait_for("<yes indeed>")
    assert running.wait().code == 9
    assert f"{sbx.project}/sub" in running.out.text


def test_a_shell_of_a_sandbox_is_a_login_shell_in_the_workspace(sbx: Sbx) -> None:
    web(sbx)
    (sbx.home.root / ".profile").write_text("LOGGED_IN=yes\n")
    sbx.env["SHELL"] = "/bin/sh"
    for arguments in (["shell"], ["shell", "main"]):
        done = sbx.run(*arguments, stdin='echo "$LOGGED_IN $PWD $SBXCOMPOSE_SANDBOX"; exit 3\n', code=3)
        assert done.stdout == f"yes {sbx.project} main\n"
    assert sbx.run("shell", "web", stdin='echo "<$LOGGED_IN>"\n').stdout == "<>\n"
    assert sbx.run("shell", "-l", "web", stdin='echo "<$LOGGED_IN>"\n').stdout == "<yes>\n"
    assert sbx.run("shell", "-s", "/bin/cat", stdin="a shell of one's own\n", code=1).stdout == ""


def test_a_shell_says_what_is_missing(sbx: Sbx) -> None:
    sbx.write(WEB)
    assert "`sbxcompose up` creates it" in refused(sbx, "shell")
    assert "no process or sandbox named `nope`" in refused(sbx, "shell", "nope")
    sbx.write("sandboxes: {a: {processes: {x: {command: 'true'}}}, b: {processes: {y: {command: 'true'}}}}\n")
    assert "say which one: `a`, `b`" in refused(sbx, "shell")


def test_a_killed_server_is_not_noticed(sbx_alone: Sbx) -> None:
    web(sbx_alone)
    gate = Gate(sbx_alone)
    running = on_terminal(
        sbx_alone,
        "exec",
        "-w",
        str(sbx_alone.project),
        "web",
        "sh",
        "-c",
        "echo up; read _ <gate; echo on; read x; echo got $x",
    )
    running.wait_for("up")
    os.kill(sbx_alone.host_pids()["server"], signal.SIGKILL)
    gate.open()
    running.wait_for("on")
    running.press("it\n")
    shown = running.wait_for("got it")
    assert shown.count("up\r\n") == 1
    assert running.wait().code == 0
    assert cooked(running)


def test_the_end_of_the_host_is_reported_on_a_restored_terminal(sbx_alone: Sbx) -> None:
    web(sbx_alone)
    running = on_terminal(sbx_alone, "exec", "web", "sh", "-c", "printf up; exec sleep 1000")
    running.wait_for("up")
    sbx_alone.run("host", "stop", "--force")
    result = running.wait()
    assert result.code == 1
    assert "up\r\n" in result.stdout
    assert "ended by another client" in result.stdout
    assert cooked(running)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_shell_as_another_user(sbx: Sbx) -> None:
    web(sbx)
    running = on_terminal(
        sbx, "exec", "-u", "1234:1234", "-w", "/", "web", "sh", "-c", "id -u; test -O $(tty) && echo mine"
    )
    assert running.wait().code == 0
    assert "1234\r\nmine" in running.out.text


def test_a_stopped_command_leaves_the_terminal_to_the_shell_and_takes_it_back(sbx: Sbx) -> None:
    web(sbx)
    running = on_terminal(sbx, "exec", "web", "sh", "-c", "echo up; while read x; do echo got $x; done")
    running.wait_for("up")
    running.signal(signal.SIGTSTP)
    _, status = os.waitpid(running.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert cooked(running)
    running.signal(signal.SIGCONT)
    running.press("it\n")
    running.wait_for("got it")
    running.press("\x04")
    assert running.wait().code == 0
