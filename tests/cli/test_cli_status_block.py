"""The status block on a terminal: what commands that bring up, restart and stop show below their lines."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.cli.looking import FOREVER, Gate
from tests.support.command import COMMAND, Running, Sbx
from tests.support.tmux import TMUX, Pane

STAGES = f"""
processes:
  db: {{command: "read _ < gate; echo ok; {FOREVER}", ready_when: {{log: ok}}}}
  web: {{command: "read _ < gate; echo ok; {FOREVER}", ready_when: {{log: ok}}, depends_on: [db]}}
  worker: {{command: "{FOREVER}", depends_on: [web]}}
"""
SLOW_TO_STOP = """
processes: {web: {command: "trap 'read _ < gate; exit' TERM; echo up; while :; do sleep 0.1; done"}}
"""
WAITING = r"{} of 3 processes {}\r\n  db +starting[^\n]*\n  web +waiting[^\n]*for db\r\n  worker +waiting[^\n]*for web"
ERASED = r"\x1b\[3A\r\x1b\[K\x1b\[C\x1b\[J\r(?:\x1b\[\?7l)?"
COMMANDS = {
    "up": ("ready", 0),
    "up -d": ("started", 1),
    "up --wait": ("ready", 0),
    "restart": ("started", 1),
}
"""What is counted by the header, and how many when all wait for the first."""


def plain(text: str) -> str:
    """What a terminal shows, without colours and carriage returns."""
    return re.sub(r"\x1b\[[0-9;]*m|\x1b\[\?7[hl]", "", text).replace("\r", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_it_counts_and_says_what_waits_for_what_and_never_contradicts_a_line(sbx: Sbx, command: str) -> None:
    gate = Gate(sbx)
    sbx.write(STAGES)
    sbx.env["NO_COLOR"] = "1"
    if command == "restart":
        with sbx.start("up", "-d") as up:
            gate.open()
            gate.open()
            up.wait()
    word, first = COMMANDS[command]
    with sbx.start(*command.split(), terminal=True) as running:
        running.wait_for(WAITING.format(first, word))
        gate.open()
        running.wait_for(rf"{first + 1} of 3 processes {word}\r\n  web +starting[^\n]*\n  worker +waiting[^\n]*for web")
        gate.open()
        if command == "up":
            running.wait_for("3 processes ready in")
            running.interrupt()
        shown = plain(running.wait().stdout)
    began = shown.rindex("db started") if command == "restart" else 0
    after = shown[shown.index("db is ready", began) :].partition("stopping")[0]
    assert not re.search(r"  db +starting|for db|0 of 3 processes ready", after)
    assert not re.search(r"  web +waiting|1 of 3 processes started", after.partition("web started")[2])
    assert not re.search(r"  web +starting|for web", after.partition("web is ready")[2])
    assert not re.search(r"worker +waiting", after.partition("worker started")[2])


def test_on_a_terminal_a_block_says_what_is_waited_for_while_stopping_too(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(SLOW_TO_STOP)
    sbx.run("up", "-d")
    with sbx.start("down", terminal=True) as down:
        down.wait_for(r"web.*stopping.*[1-9] s.*sent SIGTERM, SIGKILL follows after 10 s")
        gate.open()
        shown = down.wait().stdout
    drawn = shown.count("stopping")
    assert drawn == len(re.findall(r"stopping[^\r\n]*\r\r\x1b\[K\x1b\[C\x1b\[J", shown)), "each is taken away"
    assert plain(shown).endswith("s\n")


def test_on_a_terminal_output_is_shown_above_the_block_that_says_what_is_waited_for(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  db: {{command: "read _ < gate; echo half; read _ < gate; echo ok; {FOREVER}", ready_when: {{log: ok}}}}
  web: {{command: "{FOREVER}", depends_on: [db]}}
""")
    with sbx.start("up", terminal=True) as up:
        up.wait_for("0 of 2 processes ready\r\n.*db.*starting.*\r\n.*web.*waiting.*for db")
        gate.open()
        shown = up.wait_for(r"half\r\n(?:\x1b\[\?7l)?0 of 2 processes ready")
        assert re.search(r"for db[^\n]*\r\x1b\[2A\r\x1b\[K\x1b\[C\x1b\[J[^\n]*half", shown), (
            "the block has been taken away before"
        )
        gate.open()
        shown = up.wait_for("2 processes ready in")
        up.interrupt()
        up.wait()


def test_ctrl_z_takes_the_block_away_and_fg_draws_it_again(sbx: Sbx) -> None:
    sbx.write(f"processes: {{db: {{command: '{FOREVER}', ready_when: {{log: never}}}}}}\n")
    shell = f"set -m; {COMMAND} up; echo STOPPED; read _; fg"
    with Running(["sh", "-c", shell], sbx.project, sbx.env, terminal=True) as up:
        up.wait_for("db.*starting")
        up.press("\x1a")
        shown = up.wait_for("STOPPED")
        assert shown.count("starting") == len(re.findall(r"starting[^\r\n]*\r\r\x1b\[K\x1b\[C\x1b\[J", shown)), (
            "it is taken away"
        )
        up.press("\n")
        up.wait_for("STOPPED(.|\n)*starting")
        up.interrupt()
        up.wait_for("everything has been stopped")


def test_it_is_made_anew_for_another_size_and_what_the_old_one_has_become_is_taken_away(sbx: Sbx) -> None:
    Gate(sbx)
    sbx.write(STAGES)
    sbx.env["NO_COLOR"] = "1"
    with sbx.start("up", terminal=True) as up:
        up.wait_for(r"0 of 3 processes ready\r\n  db +starting[^\n]*web needs it\r\n")
        up.resize(30, 40)
        up.wait_for(
            rf"{ERASED}0 of 3 processes ready\r\n"
            r"  db +starting[^\n]{,30}…\r\n  web +waiting[^\n]{,30}\r\n"
        )
        up.resize(30, 100)
        up.wait_for(rf"{ERASED}0 of 3 processes ready\r\n  db +starting[^\n]*web needs it\r\n")
        up.interrupt()
        up.wait()


@pytest.mark.parametrize("command", ["up", "restart"])  # the lines come after five seconds
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(sbx: Sbx, command: str) -> None:
    gate = Gate(sbx)
    sbx.write(STAGES)
    sbx.env["TERM"] = "dumb"
    if command == "restart":
        sbx.run("start", "--no-deps", "worker")
    with sbx.start(*command.split(), terminal=True) as running:
        running.wait_for(r"waiting for db( to be ready)? \(\d+ s; web needs it\)")
        gate.open()
        gate.open()
        if command == "up":
            running.wait_for("3 processes ready in")
            running.interrupt()
        shown = running.wait().stdout
    assert "\x1b" not in shown
    assert not re.search(r"\r(?!\n)", shown)
    assert "of 3 processes" not in shown


@pytest.mark.parametrize("variable", ["NO_COLOR", None])
def test_without_colours_it_moves_the_cursor_and_nothing_else(sbx: Sbx, variable: str | None) -> None:
    gate = Gate(sbx)
    sbx.write(STAGES)
    if variable:
        sbx.env[variable] = "1"
    with sbx.start("up", "--wait", terminal=True) as up:
        up.wait_for(r"0 of 3 processes ready")
        gate.open()
        gate.open()
        sequences = set(re.findall(r"\x1b\[[0-9;]*[A-Za-z]", up.wait().stdout))
    assert any(sequence.endswith("m") for sequence in sequences) is (variable is None)
    assert {sequence[-1] for sequence in sequences} - {"m"} == {"A", "C", "J", "K"}


@pytest.mark.skipif(TMUX is None, reason="tmux is not installed")
@pytest.mark.parametrize("command", ["up", "up -d"])
def test_nothing_of_it_remains_after_quick_changes_of_the_width(sbx: Sbx, short_dir: Path, command: str) -> None:
    """tmux wraps what it shows at once, and tells of the new size up to a quarter of a second later."""
    gate = Gate(sbx)
    os.mkfifo(sbx.project / "lines")
    sbx.write(STAGES.replace("read _ < gate;", "cat lines;", 1))
    # On a screen that is not full tmux moves rows that have become more out of it, where nothing can be erased.
    words = ("sh", "-c", f"seq 30; {COMMAND} {command}; echo over; read _")
    with Pane(short_dir, sbx.project, sbx.env, *words, columns=120, rows=24) as pane:
        pane.wait_for("of 3 processes")
        with (sbx.project / "lines").open("w") as lines:
            for number in range(40):
                pane.resize(120 if number % 2 else 24 + 2 * number, 24)
                lines.write(f"line {number} of db\n")
                lines.flush()
                if command == "up":
                    pane.wait_for(f"line {number} of")
            pane.resize(120, 24)
        gate.open()
        pane.wait_for("3 processes ready in" if command == "up" else "over")
        shown = pane.shown(history=True)
        if command == "up":
            assert [f"line {number} of db" in shown for number in range(40)] == [True] * 40
        assert not re.search(r"of 3 processes|waiting|starting", shown), shown


@pytest.mark.skipif(TMUX is None, reason="tmux is not installed")
def test_nothing_of_it_is_scrolled_back_to_where_it_stood_at_the_top_of_the_screen(sbx: Sbx, short_dir: Path) -> None:
    gate = Gate(sbx)
    sbx.write(SLOW_TO_STOP)
    sbx.run("up", "-d")
    with Pane(short_dir, sbx.project, sbx.env, "sh", "-c", f"{COMMAND} down; echo over; read _") as pane:
        pane.wait_for(r"\A +web +stopping")
        gate.open()
        pane.wait_for("over")
        shown = pane.shown(history=True)
    assert "stopping" not in shown
