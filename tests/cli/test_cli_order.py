"""The order of starts: what is needed comes first, however far away, whatever has been done already."""

from __future__ import annotations

from tests.cli.looking import FOREVER, Gate, order_of, pids
from tests.support.command import Sbx

SHOP = f"""
processes:
  db: {{command: "read _ < gate; echo is up; {FOREVER}", ready_when: {{log: is up}}, restart: never}}
  migrate: {{command: "true", restart: never, depends_on: [db]}}
  web: {{command: {FOREVER}, depends_on: {{migrate: completed}}}}
"""


def test_start_waits_for_what_a_completed_one_shot_needs(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(SHOP)
    with sbx.start("up", "-d") as up:
        gate.open()
        assert up.wait().code == 0
    sbx.run("stop")
    with sbx.start("start") as start:
        start.wait_for("db started")
        assert "web" not in pids(sbx)
        gate.open()
        done = start.wait()
    order_of(done.stderr, "db started", "db is ready", "web started")
    assert "migrate" not in done.stderr


def test_restart_waits_for_what_a_completed_one_shot_needs(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(SHOP)
    with sbx.start("up", "-d") as up:
        gate.open()
        assert up.wait().code == 0
    with sbx.start("restart") as restart:
        restart.wait_for("db started")
        assert "web" not in pids(sbx)
        gate.open()
        done = restart.wait()
    order_of(done.stderr, "web stopped", "db stopped", "db started", "db is ready", "web started")


def test_what_needs_a_completed_one_shot_does_not_run_if_what_that_one_needs_fails(sbx: Sbx) -> None:
    sbx.write(SHOP.replace("read _ < gate; ", ""))
    sbx.run("up", "-d")
    sbx.run("stop")
    sbx.write(SHOP.replace(f"read _ < gate; echo is up; {FOREVER}", "echo is down; exit 3"))
    up = sbx.run("up", "--wait", code=1)
    assert "db exited with code 3" in up.stderr
    assert "web waits for db" in up.stderr
    assert "web" not in pids(sbx)
