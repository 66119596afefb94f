"""Verdicts for CI: they come from runs of the command that gives them, at once, and in time."""

from __future__ import annotations

import json

import pytest

from tests.cli.looking import FOREVER, Gate, pids, refused, rows, runs, timed_out
from tests.support.command import Sbx

SUITE = f"""
processes:
  api: {{command: "echo up; {FOREVER}", ready_when: {{log: up}}}}
  tests: {{command: "sh ./t.sh", restart: never, depends_on: [api]}}
"""


def test_exit_code_from_runs_the_tests_each_time(sbx: Sbx) -> None:
    sbx.write(SUITE)
    sbx.write("echo all good", "t.sh")
    assert "all good" in sbx.run("up", "--exit-code-from", "tests").stdout
    sbx.write("echo broken; exit 4", "t.sh")
    assert "broken" in sbx.run("up", "--exit-code-from", "tests", code=4).stdout


def test_exit_code_from_is_not_a_success_where_a_needed_service_cannot_last(sbx: Sbx) -> None:
    sbx.write("""
processes:
  api: {command: exit 1, restart: {initial_backoff: 10ms}}
  tests: {command: "true", restart: never, depends_on: [api]}
""")
    assert "api has failed" in sbx.run("up", "--exit-code-from", "tests", code=1).stderr


def test_exit_code_from_runs_the_tests_beside_what_runs_already(sbx: Sbx) -> None:
    sbx.write(SUITE)
    sbx.write("exit 0", "t.sh")
    sbx.run("up", "-d", "--wait")
    api = pids(sbx)["api"]
    sbx.write("exit 4", "t.sh")
    up = sbx.run("up", "--exit-code-from", "tests", code=4)
    assert "api started" not in up.stdout
    assert api not in pids(sbx).values(), "the end of the tests is the end of everything"


@pytest.mark.parametrize("command", [["up", "-d", "--wait", "tests"], ["start", "tests"], ["restart", "tests"]])
def test_a_one_shot_that_is_named_runs_again(sbx: Sbx, command: list[str]) -> None:
    sbx.write(SUITE)
    sbx.write("exit 0", "t.sh")
    sbx.run("up", "-d", "--wait")
    sbx.run(*command)
    assert runs(sbx) == {"api": 1, "tests": 2}


def test_run_does_not_repeat_the_one_shots_that_it_needs(sbx: Sbx) -> None:
    sbx.write("""
processes:
  migrate: {command: "echo x >> migrations", restart: never}
  tests: {command: "echo tested", restart: never, depends_on: {migrate: completed}}
""")
    assert sbx.run("run", "tests").stdout == "tested\n"
    assert sbx.run("run", "tests").stdout == "tested\n"
    assert (sbx.project / "migrations").read_text() == "x\n"


def test_up_wait_says_of_a_one_shot_that_it_was_not_run_again(sbx: Sbx) -> None:
    sbx.write(SUITE)
    sbx.write("exit 0", "t.sh")
    first = sbx.run("up", "-d", "--wait", "--json")
    assert first.json["not_run_again"] == []
    again = sbx.run("up", "-d", "--wait", "--json")
    assert "tests was not run again: it completed" in again.stderr
    assert "not run again" not in sbx.run("wait").stderr, "`wait` runs nothing"
    (skipped,) = again.json["not_run_again"]
    assert skipped["label"] == "tests"
    assert skipped["completed_at"] == rows(sbx)["tests"]["exit"]["at"]


def test_abort_on_exit_does_not_fire_for_what_ended_before(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  seed: {{command: "true", restart: never}}
  good: {{command: {FOREVER}}}
  bad: {{command: "read _ < gate; exit 3", restart: never}}
""")
    sbx.run("up", "-d", "--wait", "seed")
    with sbx.start("up", "--abort-on-exit") as up:
        up.wait_for("bad started")
        gate.open()
        assert up.wait().code == 1
    assert "good stopped" in up.everything


def test_a_procfile_ends_with_its_failure_each_time(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write("good: read _ < gate\nbad: false\n", "Procfile")
    with sbx.start("up") as up:
        up.wait_for("bad exited with code 1")
        gate.open()
        assert up.wait().code == 1
    sbx.run("down")
    assert "bad exited with code 1" in sbx.run("up", "--abort-on-exit", code=1).stdout


def test_exit_code_from_a_process_that_is_not_selected_runs_it(sbx: Sbx) -> None:
    sbx.write("""
processes:
  web: {command: exec sleep 1000}
  tests: {command: exit 7, restart: never, profiles: [ci]}
""")
    sbx.run("up", "--exit-code-from", "tests", code=7)
    sbx.run("up", "web", "--exit-code-from", "tests", code=7)


NEVER_READY = f"""
processes:
  db: {{command: "echo opening files; {FOREVER}", ready_when: {{log: accepts connections}}}}
  tests: {{command: "true", restart: never, depends_on: [db]}}
"""


@pytest.mark.parametrize("mode", [["--exit-code-from", "tests"], ["--abort-on-exit"]])
def test_a_deadline_ends_the_ci_modes_and_stops_everything(sbx: Sbx, mode: list[str]) -> None:
    sbx.write(NEVER_READY)
    up = timed_out(sbx, "db has been running", "up", *mode, "--wait-timeout", "TIMEOUT")
    assert "timed out" in up.stderr
    assert "tests waits for db" in up.stderr
    assert pids(sbx) == {}


def test_a_deadline_ends_run_before_what_it_needs_is_ready(sbx: Sbx) -> None:
    sbx.write(NEVER_READY)
    timed_out(sbx, "still waiting until db is ready", "run", "--wait-timeout", "TIMEOUT", "tests")


def test_a_dependency_that_fails_behind_a_completed_one_shot_ends_the_ci_modes(sbx: Sbx) -> None:
    sbx.write("""
processes:
  db: {command: "sh ./db.sh", restart: never, ready_when: {log: up}}
  migrate: {command: "true", restart: never, depends_on: [db]}
  tests: {command: "true", restart: never, depends_on: {migrate: completed}}
""")
    sbx.write("echo up; exec sleep 1000", "db.sh")
    sbx.run("up", "-d", "--wait")
    sbx.run("stop")
    sbx.write("exit 3", "db.sh")
    up = sbx.run("up", "--exit-code-from", "tests", code=1)
    assert "db exited with code 3" in up.stderr
    assert "db exited with code 3" in refused(sbx, "run", "tests", code=1)


def test_the_tests_end_it_all_while_something_else_still_waits(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  db: {{command: {FOREVER}, ready_when: {{log: never printed}}}}
  web: {{command: {FOREVER}, depends_on: [db]}}
  tests: {{command: exit 5, restart: never}}
""")
    sbx.run("up", "--exit-code-from", "tests", code=5)
    assert pids(sbx) == {}


def test_the_verdict_of_the_ci_modes_as_json_is_the_last_line(sbx: Sbx) -> None:
    sbx.write(SUITE)
    sbx.write("echo tested; exit 4", "t.sh")
    lines = [
        json.loads(line) for line in sbx.run("up", "--exit-code-from", "tests", "--json", code=4).stdout.splitlines()
    ]
    assert [(line["verdict"], line["exit_code"]) for line in lines if "verdict" in line] == [("failed", 4)]
    assert lines[-1]["causes"][0]["label"] == "tests"
    assert {"tested", "up"} <= {line.get("line") for line in lines}


def test_a_second_up_of_what_has_ended_does_not_say_that_it_runs(sbx: Sbx) -> None:
    sbx.write("processes: {job: {command: echo hello, restart: never}}\n")
    sbx.run("up", "-d", "--wait")
    for up in (sbx.run("up"), sbx.run("up", "-d")):
        assert "job has completed; `sbxcompose up job` runs it again" in up.stdout + up.stderr
    assert "| hello" in sbx.run("up", "job").stdout


@pytest.mark.parametrize(
    "command",
    [["up", "-d"], ["up"], ["up", "--wait"], ["up", "--watch"], ["watch"], ["start"], ["plan"], ["wait"]],
    ids=" ".join,
)
def test_nothing_selected_is_reported_with_the_profiles(sbx: Sbx, command: list[str]) -> None:
    sbx.write("processes: {web: {command: sleep 9, profiles: [dev]}, job: {command: 'true', profiles: [dev, ci]}}\n")
    words = refused(sbx, *command)
    assert "nothing is selected" in words
    assert "`dev`, `ci`" in words


def test_a_start_that_is_refused_shows_no_lines_of_an_earlier_run(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: ['sh', '-c', 'echo earlier; exec sleep 1000'], workdir: here}}\n")
    (sbx.project / "here").mkdir()
    sbx.run("up", "-d")
    with sbx.start("logs", "-f") as logs:
        logs.wait_for("earlier")
    sbx.run("down")
    (sbx.project / "here").rmdir()
    refused = sbx.run("up", "-d", "--wait", code=1).stderr
    assert "web could not be started" in refused
    assert "earlier" not in refused


def test_a_limit_of_stops_is_not_taken_for_one_of_the_wait(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}")
    note = "note: `--timeout` limits how long stopping takes; the wait has no limit without `--wait-timeout`"
    assert note in sbx.run("up", "--wait", "--timeout", "60s").stderr
    assert note in sbx.run("restart", "--wait", "--timeout", "60s").stderr
    assert "note:" not in sbx.run("up", "--wait", "--timeout", "60s", "--wait-timeout", "90s").stderr
    assert "note:" not in sbx.run("up", "-d", "--timeout", "60s").stderr
