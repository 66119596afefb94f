"""Attached `up` while something crashes again and again: what waits for it starts once it has recovered."""

from __future__ import annotations

import pytest

from tests.cli.looking import FOREVER
from tests.support.command import Sbx

QUICKLY = "policy: on_failure, initial_backoff: 100ms, max_backoff: 100ms"
NEEDS = {
    "ready": f"test -e mended && echo is up && {FOREVER}",
    "completed": "test -e mended",
}


@pytest.mark.parametrize("condition", NEEDS)
def test_what_waits_for_a_crash_loop_starts_once_it_is_over(sbx: Sbx, condition: str) -> None:
    ready = "ready_when: {log: is up}, " if condition == "ready" else ""
    sbx.write(f"""
processes:
  db: {{command: "{NEEDS[condition]}", {ready}restart: {{{QUICKLY}}}}}
  web: {{command: "echo at your service; {FOREVER}", depends_on: {{db: {condition}}}}}
""")
    with sbx.start("up") as up:
        up.wait_for("run 5")
        sbx.write("", "mended")
        up.wait_for("at your service")
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    assert "was not started" not in done.stdout


def test_a_ci_run_ends_with_the_crash_loop(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  db: {{command: "exit 3", ready_when: {{log: is up}}, restart: {{{QUICKLY}}}}}
  web: {{command: "{FOREVER}", depends_on: [db]}}
""")
    up = sbx.run("up", "--abort-on-exit", code=1)
    assert "db has failed 3 times in a row: it exited with code 3" in up.stderr
