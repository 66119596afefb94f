"""Commands that put themselves into the background: said wherever people look, with what to do instead."""

from __future__ import annotations

import re

from tests.cli.looking import pids, rows
from tests.support.command import Sbx

FORKS = "setsid sleep 1000 & echo forked"
WORDS = r"left `(sh|setsid|sleep)` in the background, which was killed"
"""Under load the shell is gone before its child has become what it is to be."""
HINT = "run it in the foreground"


def test_up_why_and_ps_say_that_a_service_has_left_something_behind(sbx: Sbx) -> None:
    sbx.write(f"processes: {{db: {{command: '{FORKS}'}}}}\n")
    up = sbx.run("up", code=None)
    assert re.search(WORDS, up.stdout)
    assert HINT in up.stdout
    row = rows(sbx)["db"]
    assert row["status"] == "exited 0, 1 background process killed"
    assert len(row["left_behind"]) == 1
    why = sbx.run("why", code=1).stdout
    assert re.search(WORDS, why)
    assert f"hint: {HINT}" in why


def test_a_one_shot_leaves_something_behind(sbx: Sbx) -> None:
    sbx.write(f"processes: {{db: {{command: '{FORKS}', restart: never}}}}\n")
    assert re.search(f"completed, but it {WORDS}", sbx.run("up").stdout)
    assert re.search(WORDS, sbx.run("why", "db").stdout)
    assert rows(sbx)["db"]["status"].endswith(", 1 background process killed")


def test_it_is_remembered_by_the_next_server(sbx_alone: Sbx) -> None:
    sbx_alone.write(f"processes: {{db: {{command: '{FORKS}'}}}}\n")
    sbx_alone.run("up", code=None)
    sbx_alone.run("host", "stop")
    assert re.search(WORDS, sbx_alone.run("why", "db", code=1).stdout)
    assert pids(sbx_alone) == {}


def test_children_that_end_with_a_stop_are_not_mentioned(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'sleep 1000 & exec sleep 1000'}}\n")
    sbx.run("up", "-d")
    sbx.run("stop")
    assert rows(sbx)["web"]["status"] == "stopped"
    assert "background" not in sbx.run("why", "web", code=None).stdout
