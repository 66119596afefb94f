"""`top` and `up --ui` on a real terminal: what they show and do, and that the terminal is whole after any end."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import pytest

from tests.cli.looking import FOREVER, refused, rows
from tests.cli.test_cli_hangup import closed_terminal
from tests.cli.test_cli_tcp import tcp as tcp
from tests.cli.test_cli_terminal import cooked
from tests.support.command import Result, Running, Sbx
from tests.support.home import MARKER
from tests.support.rough_network import RoughNetwork, Schedule
from tests.support.waiting import until

FILE = f"""
processes:
  web: {{command: "echo listening; echo secret $$TOKEN; {FOREVER}", env: {{TOKEN: hunter22}}, secrets: [TOKEN]}}
  db: {{command: {FOREVER}}}
"""
IN, OUT = "\x1b[?1049h", "\x1b[?1049l"
MODES = ("\x1b[?25h", "\x1b[?1000l", "\x1b[?1002l", "\x1b[?1006l", "\x1b[?2004l", "\x1b[?1004l", "\x1b[?7h")


def on_screen(sbx: Sbx, *arguments: str) -> Running:
    running = sbx.start(*arguments, terminal=True)
    running.wait_for(re.escape(IN))
    return running


def left_as_it_was(running: Running, text: str) -> bool:
    """Whether all modes have been reset, the other screen was left, and the terminal does lines again."""
    _, _, after = text.rpartition(IN)
    return OUT in after and all(mode in after for mode in MODES) and cooked(running)


def test_it_shows_does_and_leaves(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    with on_screen(sbx, "top") as running:
        running.wait_for("listening")
        running.wait_for(r"secret \*\*\*")
        running.press("j")
        running.press("x")
        running.wait_for("db stopped")
        running.press("s")
        running.wait_for("db started")
        running.press("kr")
        running.wait_for(r"web restarted")
        running.press("w")
        running.wait_for("why web")
        running.press("p")
        running.wait_for("nothing to do, 2 unchanged")
        running.press("q")
        result = running.wait()
        assert result.code == 0
        assert left_as_it_was(running, result.stdout)
    assert {name: row["run"] for name, row in rows(sbx).items()} == {"web": 2, "db": 2}
    assert "hunter22" not in result.stdout


def quit_after_an_outage(sbx: Sbx, running: Running) -> Result:
    """End the host, bring the project up again, and quit once the screen shows its output anew."""
    sbx.run("host", "stop", "--force")
    running.wait_for("not connected, trying again")
    sbx.run("up", "-d")
    running.wait_for("connected again")
    running.wait_for("listening", count=2)
    running.press("q")
    # `up --ui` asks, unless it has seen everything ended for longer than a restart takes: then it leaves at once.
    with suppress(AssertionError):
        running.wait_for("leave it running")
        running.press("l")
    result = running.wait()
    assert result.code == 0
    return result


def test_it_shows_that_its_host_is_gone_and_continues_when_it_is_back(sbx_alone: Sbx) -> None:
    sbx_alone.write(FILE)
    sbx_alone.run("up", "-d")
    with on_screen(sbx_alone, "top") as running:
        running.wait_for("listening")
        result = quit_after_an_outage(sbx_alone, running)
        assert left_as_it_was(running, result.stdout)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_in_order(sbx: Sbx, number: signal.Signals) -> None:
    sbx.write(FILE)
    sbx.env["NO_COLOR"] = "1"
    with on_screen(sbx, "top", "db") as running:
        running.wait_for("logs of db")
        running.signal(number)
        result = running.wait()
        assert result.code == 130
        assert left_as_it_was(running, result.stdout)
    assert not re.search(r"\x1b\[(?:\d+;)*(?:[34][0-8]|9[0-7])[;m]", result.stdout), "colours"


def test_it_is_stopped_and_continues_at_any_size(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    with on_screen(sbx, "top") as running:
        running.wait_for("listening")
        running.press("\x1a")
        until(lambda: state_of(running.process.pid) == "T")
        running.wait_for(re.escape(OUT))
        running.resize(10, 20)
        running.signal(signal.SIGCONT)
        running.wait_for(re.escape(IN), count=2)
        drawn = running.out.text.count("RESTARTS")  # keys are keys once a frame is drawn: the mode is set before
        running.resize(40, 250)
        running.wait_for("RESTARTS", count=drawn + 1)
        running.press("\x03")
        result = running.wait()
        assert result.code == 0
        assert left_as_it_was(running, result.stdout)


def state_of(pid: int) -> str:
    """The state of a process, as /proc has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_terminal_that_closes_ends_it_and_nothing_else(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    assert closed_terminal(sbx, "top", after="listening") == 130
    assert {row["phase"] for row in rows(sbx).values()} == {"running"}


def test_where_no_screen_can_be_drawn_one_error_says_so(sbx: Sbx) -> None:
    sbx.write(FILE)
    assert "standard input is not a terminal" in refused(sbx, "top")
    assert "leave `--ui` out" in refused(sbx, "up", "--ui")
    assert "cannot be used with `-d`" in refused(sbx, "up", "--ui", "-d")
    sbx.env["TERM"] = "dumb"
    with sbx.start("top", terminal=True) as running:
        result = running.wait()
        assert result.code == 2
        assert "without cursor movement" in result.stdout
        assert "\x1b[?" not in result.stdout


def test_up_on_the_screen_stops_everything_or_leaves_it(sbx: Sbx) -> None:
    sbx.write(FILE)
    with on_screen(sbx, "up", "--ui") as running:
        running.wait_for("2 processes ready")
        running.press("q")
        running.wait_for("leave it running")
        running.press("l")
        result = running.wait()
        assert result.code == 0
        assert left_as_it_was(running, result.stdout)
        assert "left running in the background" in result.stdout
    assert {row["phase"] for row in rows(sbx).values()} == {"running"}
    sbx.run("down")
    with on_screen(sbx, "up", "--ui") as running:
        running.wait_for("2 processes ready")
        running.press("\x03")
        running.wait_for("leave it running")
        running.press("\x03")
        result = running.wait()
        assert result.code == 130
        assert left_as_it_was(running, result.stdout)
    assert {row["phase"] for row in rows(sbx).values()} == {"stopped"}
    with on_screen(sbx, "up", "--ui", "web") as running:
        running.wait_for("1 process ready")
        running.signal(signal.SIGTERM)
        result = running.wait()
        assert result.code == 130
        assert left_as_it_was(running, result.stdout)
        assert "everything has been stopped" in result.stdout
    assert rows(sbx)["web"]["phase"] == "stopped"


def test_up_on_the_screen_tells_its_verdict_once_it_is_left(sbx: Sbx) -> None:
    sbx.write("processes: {check: {command: 'exit 3', restart: never}}\n")
    with on_screen(sbx, "up", "--ui", "--exit-code-from", "check") as running:
        result = running.wait()
    assert result.code == 3
    _, _, after = result.stdout.rpartition(OUT)
    assert after.count("failed:") == 1


def test_up_on_the_screen_continues_when_its_host_is_back(sbx_alone: Sbx) -> None:
    sbx_alone.write(FILE)
    with on_screen(sbx_alone, "up", "--ui") as running:
        running.wait_for("2 processes ready")
        os.kill(sbx_alone.host_pids()["server"], signal.SIGKILL)
        sbx_alone.run("restart", "db")
        running.wait_for(r"db started by another command \(run 2\)")
        result = quit_after_an_outage(sbx_alone, running)
        assert "0 ready" not in result.stdout
        assert left_as_it_was(running, result.stdout)
    assert {row["phase"] for row in rows(sbx_alone).values()} == {"running"}


def test_it_continues_when_its_connection_to_a_host_elsewhere_is_back(tcp: Sbx) -> None:
    environment = f"env: {{{MARKER}: {tcp.home.marker}}}"
    main = f"  main:\n    workspace: {tcp.project}\n    {environment}\n{indent(FILE, '    ')}"
    tcp.write(f"provider: tensorlake\nsandboxes:\n{main}")
    quiet = Schedule(1)
    quiet.most = 0
    with RoughNetwork(int(tcp.env["TENSORLAKE_API_URL"].rpartition(":")[2]), quiet).in_thread() as network:
        tcp.env["TENSORLAKE_API_URL"] = network.address
        tcp.run("up", "-d", "--wait")
        with on_screen(tcp, "top") as running:
            running.wait_for("listening")
            network.down = True
            network.cut()
            running.wait_for("not connected, trying again")
            network.down = False
            running.wait_for("connected again")
            running.press("jr")
            running.wait_for("db restarted")
            running.press("q")
            result = running.wait()
            assert result.code == 0
            assert left_as_it_was(running, result.stdout)
        assert {name: row["run"] for name, row in rows(tcp).items()} == {"web": 1, "db": 2}
        tcp.run("down")
