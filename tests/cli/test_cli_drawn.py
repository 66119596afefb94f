"""What is drawn on a terminal, and what a pipe, a dumb terminal and a CI job get in its place."""

from __future__ import annotations

import re

import pytest

from tests.cli.looking import FOREVER
from tests.support.command import Sbx

SHOP = f"""
processes:
  db: {{command: {FOREVER}}}
  migrate: {{command: "echo no such table; exit 3", restart: never}}
  web: {{command: {FOREVER}, depends_on: {{db: started, migrate: completed}}}}
"""
MISTAKE = "processes:\n  web: {comand: x}\n"
DRAWN = {
    "plan": r"\+ main \(create\): does not exist\n├── \+ db: not running\n",
    "why web": r"web is not running: its sandbox main does not exist\n└── hint: `sbxcompose up` creates it\n",
    "doctor": r"project\n  ✓ file +/.*sbxcompose.yaml\n(.*\n)*local\n  ✓ state +/",
    "host status": r"host +\d.* pid \d+, keeper \d+\nsocket +/.*\nstate +/.*\nrunning +\d+ ",
    "graph": r"web\n├── db \(started\)\n└── migrate \(completed\)\n",
    "psx": r"error: no command named `psx`\nhint: did you mean `ps`\?",
}
"""By a command, what it draws."""


def without_colours(text: str) -> str:
    """The text alone."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def drawn(sbx: Sbx, command: str, **env: str) -> str:
    """What a command shows on a terminal, with its escape sequences."""
    with sbx.start(*command.split(), terminal=True, env=env) as running:
        return running.wait().stdout.replace("\r\n", "\n")


@pytest.mark.parametrize("command", DRAWN)
def test_a_terminal_gets_a_drawing_and_a_pipe_gets_text(sbx: Sbx, command: str) -> None:
    sbx.write(SHOP)
    shown = drawn(sbx, command)
    assert re.search(DRAWN[command], without_colours(shown)), shown
    assert "\x1b[" in shown
    piped = sbx.run(*command.split(), code=None)
    assert not re.search(r"[✓│]|\x1b", piped.stdout + piped.stderr)
    assert not re.search(DRAWN[command], piped.stdout) or command in ("graph", "psx")


def test_without_colours_nothing_acts_on_the_terminal(sbx: Sbx) -> None:
    sbx.write(SHOP)
    lines = [(command, {"NO_COLOR": "1"}) for command in DRAWN]
    for command, variables in [*lines, ("plan", {"TERM": "dumb"}), ("graph", {"TERM": "dumb"})]:
        shown = drawn(sbx, command, **variables)
        assert "\x1b" not in shown
        assert re.search(DRAWN[command], shown), shown


@pytest.mark.parametrize("command", ["plan", "why web", "doctor", "psx"])
def test_the_log_of_a_ci_job_is_text_also_where_it_is_a_terminal(sbx: Sbx, command: str) -> None:
    sbx.write(SHOP)
    shown = drawn(sbx, command, CI="true", NO_COLOR="1")
    piped = sbx.run(*command.split(), code=None)
    same = re.compile(r"[\d.]+ [GM]iB")
    assert same.sub("", shown) == same.sub("", piped.stdout + piped.stderr)


def test_a_mistake_has_its_line_and_a_caret(sbx: Sbx) -> None:
    sbx.write(MISTAKE)
    excerpt = "2 {0}   web: {{comand: x}}\n  {0}         ^\nhint: did you mean `command`?"
    shown = drawn(sbx, "config")
    assert excerpt.format("│") in without_colours(shown)
    assert "\x1b[36mcomand" in shown
    assert excerpt.format("│") in drawn(sbx, "config", TERM="dumb")
    assert excerpt.format("|") in sbx.run("config", code=2).stderr


def test_what_is_asked_for_in_a_pipe_has_the_colours_of_text(sbx: Sbx) -> None:
    """`--color always` and `FORCE_COLOR` colour what programs may read, and draw nothing."""
    sbx.write(MISTAKE)
    text = sbx.run("config", code=2, env={"FORCE_COLOR": "1"}).stderr
    assert "\x1b[2m2 |\x1b[0m   web: {comand: x}\n" in text
    assert "\x1b[36mhint:\x1b[0m did you mean" in text


def test_the_reasons_of_what_failed_are_below_it_with_its_last_lines(sbx: Sbx) -> None:
    sbx.write(SHOP)
    sbx.run("up", "-d", code=None)
    sbx.run("wait", "--for", "exit", "migrate", code=3)
    shown = drawn(sbx, "why", NO_COLOR="1")
    assert re.search(
        r"migrate exited with code 3, [^\n]* ago\n"
        r"├── its restart policy is `never`: it is not restarted\n"
        r"├── last lines of migrate#1:\n"
        r"│   \| no such table\n"
        r"└── hint: `sbxcompose logs migrate` shows its output; [^\n]*\n",
        shown,
    )
    assert "web has not been started: it is held up\n└── web waits until migrate is completed; migrate exited" in shown
    assert "main\n├── + migrate: exited with code 3\n└── + web: not running; after migrate is completed\n" in drawn(
        sbx, "plan", NO_COLOR="1"
    )
