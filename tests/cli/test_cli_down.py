"""`down` ends the project's life: what had completed runs again with the next `up`. `stop` does not."""

from __future__ import annotations

import re

import pytest

from tests.cli.looking import FOREVER, Gate, order_of, pids, rows
from tests.support.command import Sbx

SHOP = f"""
processes:
  migrate: {{command: "echo x >> migrations", restart: never}}
  web: {{command: {FOREVER}, depends_on: {{migrate: completed}}}}
"""


def migrations(sbx: Sbx) -> int:
    return len((sbx.project / "migrations").read_text().splitlines())


def up(sbx: Sbx) -> int:
    """Bring everything up; how often `migrate` has run until then."""
    sbx.run("up", "-d", "--wait")
    return migrations(sbx)


def test_one_shots_run_again_after_down(sbx: Sbx) -> None:
    sbx.write(SHOP)
    assert up(sbx) == 1
    assert up(sbx) == 1
    down = sbx.run("down")
    assert "down" not in re.sub("`.*?`", "", down.stderr), "the mark is not shown"
    assert up(sbx) == 2
    assert up(sbx) == 2
    sbx.run("down")
    sbx.run("start")
    assert migrations(sbx) == 3


def test_stop_and_start_keep_what_has_completed(sbx: Sbx) -> None:
    sbx.write(SHOP)
    up(sbx)
    sbx.run("stop")
    sbx.run("start")
    sbx.run("stop")
    assert up(sbx) == 1
    sbx.run("down", "web")
    assert up(sbx) == 1
    sbx.run("pause")
    sbx.run("unpause")
    assert up(sbx) == 1


def test_a_down_is_remembered_by_the_next_host(sbx_alone: Sbx) -> None:
    sbx_alone.write(SHOP)
    up(sbx_alone)
    sbx_alone.run("down")
    sbx_alone.run("host", "stop")
    assert up(sbx_alone) == 2
    sbx_alone.run("host", "stop", "--force")
    assert up(sbx_alone) == 2


def test_down_while_a_one_shot_runs(sbx: Sbx) -> None:
    # It ends well when it is asked to, and has not done its work all the same.
    sbx.write("""
processes:
  job: {command: "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done", restart: never}
""")
    sbx.run("up", "-d")
    with sbx.start("logs", "-f") as logs:
        logs.wait_for("ready")
    sbx.run("down")
    assert "job started" in sbx.run("up", "-d").stderr


def test_a_second_down_has_nothing_to_do_and_nothing_is_shown_of_the_first(sbx: Sbx) -> None:
    sbx.write(SHOP)
    up(sbx)
    sbx.run("down")
    assert "nothing to do" in sbx.run("down").stderr
    assert set(rows(sbx)) == {"migrate", "web"}
    assert rows(sbx)["migrate"]["completed"] is False
    assert "@down" not in sbx.run("ps", "--all").stdout + sbx.run("logs", "--tail", "all").stdout
    assert "before the last `down`: `sbxcompose up` runs it again" in sbx.run("why", "migrate").stdout
    assert "migrate" in sbx.run("wait", code=1).stderr


def test_set_up_commands_do_not_run_again_after_down(sbx: Sbx) -> None:
    sbx.write(f"""
sandboxes:
  main:
    setup: ["echo x >> migrations"]
    processes: {{web: {{command: {FOREVER}}}, job: {{command: "true", restart: never}}}}
""")
    assert up(sbx) == 1
    sbx.run("down")
    assert up(sbx) == 1


def test_the_end_of_an_attached_up_is_the_end_of_the_projects_life(sbx: Sbx) -> None:
    sbx.write("job: echo hello\n", "Procfile")
    for _ in range(2):
        assert "| hello" in sbx.run("up").stdout
    sbx.write(SHOP)
    (sbx.project / "Procfile").unlink()
    for _ in range(2):
        attached = sbx.start("up")
        attached.wait_for("web started")
        attached.interrupt()
        order_of(attached.wait().stdout, "migrate completed", "web started", "web stopped")
    assert migrations(sbx) == 2
    assert pids(sbx) == {}


def test_a_second_ctrl_c_ends_the_projects_life_too(sbx: Sbx) -> None:
    sbx.write("""
processes:
  migrate: {command: "echo x >> migrations", restart: never}
  deaf: {command: "trap '' INT TERM; echo deaf; read _ <> gate", stop: {grace: 1h}, depends_on: {migrate: completed}}
""")
    Gate(sbx)
    for _ in range(2):
        attached = sbx.start("up")
        attached.wait_for("[|] deaf")
        attached.interrupt()
        attached.wait_for("stopping; Ctrl-C again kills")
        attached.interrupt()
        assert attached.wait().code == 130
    assert migrations(sbx) == 2


@pytest.mark.parametrize("names", [(), ("job",)])
def test_plan_shows_that_a_one_shot_runs_again(sbx: Sbx, names: tuple[str, ...]) -> None:
    sbx.write("processes: {job: {command: 'true', restart: never}}\n")
    sbx.run("up", "-d", "--wait")
    assert ("start job" in sbx.run("plan", *names).stdout) is bool(names)
    sbx.run("down")
    assert "start job" in sbx.run("plan", *names).stdout
