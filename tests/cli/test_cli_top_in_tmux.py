"""What a person sees of `top` in tmux, from its start to its end."""

from __future__ import annotations

import os
import shlex
import signal
from pathlib import Path

import pytest

from tests.cli.looking import FOREVER, rows
from tests.support.command import COMMAND, Sbx
from tests.support.tmux import TMUX, Pane

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")

FILE = f"""
processes:
  web: {{command: "echo listening on 8000; echo from web; {FOREVER}"}}
  db: {{command: "echo accepts connections; {FOREVER}"}}
"""
SHELL = """
stty -g >before; echo 'what was there before'
COMMAND; code=$?
stty -g >after; cmp before after && echo "back with $code"
read _
"""


def pane_of(sbx: Sbx, short_dir: Path, *arguments: str) -> Pane:
    """A pane in which a shell runs the command and tells how the terminal is after it."""
    words = shlex.join([str(COMMAND), *arguments])
    script = SHELL.replace("COMMAND", f"sh -c 'echo $$ >pid; exec {words}'")
    return Pane(short_dir, sbx.project, sbx.env, "sh", "-c", script)


def left_as_it_was(pane: Pane, code: int) -> None:
    """Assert that the command has ended with this code and the terminal is as it was before it."""
    shown = pane.wait_for(rf"back with {code}\b")
    assert "what was there before" in shown, "the screen of before is back"
    assert "RESTARTS" not in shown
    assert pane.modes() == {
        "alternate_on": "0",
        "cursor_flag": "1",
        "mouse_any_flag": "0",
        "keypad_flag": "0",
        "keypad_cursor_flag": "0",
        "wrap_flag": "1",
    }


def test_top_is_started_driven_resized_and_left(sbx: Sbx, short_dir: Path) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    with pane_of(sbx, short_dir, "top") as pane:
        pane.wait_for(r"(?s)RESTARTS.*listening on 8000")
        pane.wait_for(r"web +running +\S+ +\S+ [KM]iB")
        pane.write("a")
        pane.wait_for(r"logs of web")
        pane.press("Down")
        pane.wait_for(r"logs of db")
        pane.wait_for(r"accepts connections")
        pane.press("Up")
        pane.wait_for(r"logs of web")
        pane.write("ffrom")
        pane.wait_for(r"listening on 8000", gone=True)
        pane.wait_for(r"from web")
        pane.press("Escape")
        pane.wait_for(r"listening on 8000")
        pane.press("r")
        pane.wait_for(r"web restarted")
        for columns, height in ((60, 15), (250, 50), (80, 24)):
            pane.resize(columns, height)
            shown = pane.wait_for(r"(?s)\bweb\b.*\bdb\b.*logs of web")
            assert max(map(len, shown.splitlines())) <= columns
        pane.press("q")
        left_as_it_was(pane, 0)
    assert {name: row["run"] for name, row in rows(sbx).items()} == {"web": 2, "db": 1}


@pytest.mark.parametrize("end", ["C-c", signal.SIGTERM, signal.SIGHUP])
def test_top_leaves_the_terminal_as_it_was_after_any_end(sbx: Sbx, short_dir: Path, end: str | signal.Signals) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    with pane_of(sbx, short_dir, "top") as pane:
        pane.wait_for(r"(?s)RESTARTS.*listening on 8000")
        assert pane.modes()["alternate_on"] == "1"
        if isinstance(end, str):
            pane.press(end)
        else:
            os.kill(int((sbx.project / "pid").read_text()), end)
        left_as_it_was(pane, 0 if isinstance(end, str) else 130)
