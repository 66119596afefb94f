"""`up --wait` and `wait`: the verdict on a bring-up, for CI and for people."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.looking import FOREVER, Gate, logged, pids, refused, rows, timed_out
from tests.support.command import Sbx


def test_wait_is_over_once_services_are_ready_and_one_shots_have_completed(sbx: Sbx) -> None:
    web, job = Gate(sbx, "web.gate"), Gate(sbx, "job.gate")
    sbx.write(f"""
processes:
  web: {{command: "read _ < web.gate; echo ready; {FOREVER}", ready_when: {{log: ready}}}}
  job: {{command: "read _ < job.gate", restart: never}}
  plain: {{command: {FOREVER}, depends_on: {{job: completed}}}}
""")
    with sbx.start("up", "-d", "--wait") as up:
        up.wait_for("job started")
        assert up.process.poll() is None
        web.open()
        job.open()
        done = up.wait()
    assert done.code == 0
    assert "2 processes ready, 1 completed" in done.stderr
    assert done.stdout == ""


def test_what_is_named_is_waited_for_though_it_only_starts_by_name(sbx: Sbx) -> None:
    sbx.write("""
processes:
  web: {command: exec sleep 1000}
  job: {command: exit 3, restart: never, autostart: false}
  late: {command: exec sleep 1000, ready_when: {log: never}, profiles: [more]}
""")
    sbx.run("up", "-d", "web", "job", "late")
    assert "job exited with code 3" in sbx.run("wait", "job", code=1).stderr
    sbx.run("wait", "--for", "exit", "job", code=3)
    words = ", not ready yet: waiting for a line that matches `never`"
    assert words in timed_out(sbx, words, "wait", "late", "--timeout", "TIMEOUT").stderr
    sbx.run("wait")


def test_wait_by_a_command_in_the_sandbox(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: 'touch here; {FOREVER}', ready_when: {{exec: [test, -e, here]}}}}}}\n")
    sbx.run("up", "--wait")
    assert set(pids(sbx)) == {"web"}


def test_a_timeout_names_what_is_not_ready_what_it_does_and_what_it_holds_up(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  db: {{command: "echo opening files; {FOREVER}", ready_when: {{log: accepts connections}}}}
  web: {{command: {FOREVER}, depends_on: [db]}}
  fine: {{command: {FOREVER}}}
""")
    sbx.run("up", "-d", "db")
    sbx.run("up", "-d", "--wait", "fine")  # ready before the deadline begins, however short that is
    logged(sbx, "opening files", "db")
    words = ", not ready yet: waiting for a line that matches `accepts connections`"
    up = timed_out(sbx, words, "up", "--wait", "--wait-timeout", "TIMEOUT")
    assert "timed out" in up.stderr
    assert re.search(r"^  db has been running for [0-9.]+ (s|min)", up.stderr, re.M), str(up)
    assert "opening files" in up.stderr
    assert "web waits for db" in up.stderr
    assert "fine is" not in up.stderr
    assert set(pids(sbx)) == {"db", "fine"}, "what was started goes on"


def test_a_deadline_names_a_one_shot_and_a_failing_check_in_its_own_words(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  job: {{command: "{FOREVER}", restart: never}}
  web: {{command: "{FOREVER}", ready_when: {{exec: "echo queue is full; exit 1"}}}}
  last: {{command: "true", depends_on: {{job: completed}}}}
""")
    up = timed_out(sbx, "queue is full", "up", "--wait", "--wait-timeout", "TIMEOUT")
    assert re.search(r"job has been running for .*, not completed yet", up.stderr)


def test_a_failure_ends_the_wait_with_the_last_lines_and_with_who_is_held_up(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  migrate: {{command: "echo applying 7; echo no such table >&2; exit 4", restart: never}}
  web: {{command: {FOREVER}, depends_on: {{migrate: completed}}}}
  forever: {{command: {FOREVER}, ready_when: {{log: never printed}}}}
""")
    up = sbx.run("up", "--wait", code=1)
    assert "migrate exited with code 4" in up.stderr
    assert "no such table" in up.stderr
    assert "applying 7" in up.stderr
    assert "web waits for migrate" in up.stderr


def test_a_service_that_crashes_again_and_again_is_a_failure(sbx: Sbx) -> None:
    sbx.write("""
processes:
  web: {command: "echo cannot bind; exit 1", restart: {policy: always, initial_backoff: 1ms, max_backoff: 2ms},
        ready_when: {log: never printed}}
""")
    up = sbx.run("up", "--wait", code=1)
    assert "web" in up.stderr
    assert "cannot bind" in up.stderr


@pytest.mark.parametrize("command", ["echo cannot bind; exit 1", "./run.sh"])
@pytest.mark.parametrize("options", [("-d", "--wait"), ("--abort-on-exit",), ("--exit-code-from", "other")])
def test_a_service_without_a_check_that_does_not_keep_running_is_a_failure(
    sbx: Sbx, command: str, options: tuple[str, ...]
) -> None:
    """It runs for a moment each time, and a client that looks in these moments must not be content."""
    sbx.write(f"processes: {{web: {{command: '{command}'}}, other: {{command: {FOREVER}}}}}\n")
    up = sbx.run("up", *options, code=1)
    words = "code 127" if command == "./run.sh" else "code 1"
    assert re.search(rf"web has failed \d+ times in a row: it exited with {words}", up.stderr)
    assert ("not found" if command == "./run.sh" else "cannot bind") in up.stdout + up.stderr


def test_a_job_that_fails_again_and_again_is_a_failure_also_if_nothing_waits_for_it_now(sbx: Sbx) -> None:
    """Its runs last, so that no row tells that they were no good."""
    sbx.write(f"""
processes:
  job: {{command: "sleep 1.1; echo no database; exit 1", restart: {{initial_backoff: 1ms, max_backoff: 2ms}}}}
  web: {{command: {FOREVER}, depends_on: {{job: completed}}}}
""")
    up = sbx.run("up", "--wait", "job", code=1)
    assert re.search(r"job has failed \d+ times in a row: it exited with code 1", up.stderr)
    assert "no database" in up.stderr


def test_a_service_that_recovers_is_ready_once_a_run_has_lasted(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: '[ -e was ] && {FOREVER}; touch was; exit 1'}}}}\n")
    assert "1 process ready" in sbx.run("up", "--wait").stderr
    assert rows(sbx)["web"]["restarts"] == 1


def test_readiness_by_a_line_begins_anew_with_each_run(sbx: Sbx) -> None:
    """What the first run has said is not said by the second."""
    first, second, good = (Gate(sbx, name) for name in ("first", "second", "good"))
    sbx.write(f"""
processes:
  web:
    command: "[ -e was ] || {{ touch was; echo ready; read _ <first; exit 1; }}; read _ <second; echo ready; {FOREVER}"
    ready_when: {{log: ready}}
    restart: {{initial_backoff: 1ms}}
  other: {{command: "read _ < good; echo good; {FOREVER}", ready_when: {{log: good}}}}
""")
    with sbx.start("up", "--wait") as up:
        first.open()
        up.wait_for(r"web restarted \(run 2\)")
        good.open()
        up.wait_for("other is ready")
        assert rows(sbx)["web"]["status"] == "starting"
        assert up.process.poll() is None, "it was content with the first run"
        second.open()
        assert up.wait().code == 0


def test_waiting_follows_a_process_into_its_next_run(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  web:
    command: "[ -e was ] && {{ echo ready; {FOREVER}; }}; read _ < gate; touch was; exit 1"
    ready_when: {{log: ready}}
""")
    sbx.run("up", "-d")
    with sbx.start("wait", "web") as wait:
        gate.open()
        assert wait.wait().code == 0


def test_a_service_that_ends_with_0_before_it_was_ready_is_a_failure(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'true', ready_when: {log: up}}}\n")
    assert "web" in sbx.run("up", "--wait", code=1).stderr


def test_the_verdict_as_json(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  bad: {{command: "echo broken; exit 9", restart: never}}
  web: {{command: {FOREVER}, depends_on: {{bad: completed}}}}
""")
    verdict = sbx.run("up", "--wait", "--json", code=1).json
    assert verdict["verdict"] == "failed"
    assert verdict["exit_code"] == 1
    assert [(cause["label"], cause["lines"]) for cause in verdict["causes"]] == [("bad", ["broken"])]
    assert [(item["label"], item["waits_for"]) for item in verdict["held_up"]] == [("web", ["bad"])]
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    good = sbx.run("up", "--wait", "--json").json
    assert (good["verdict"], good["exit_code"], good["ready"]) == ("success", 0, 1)
    late = sbx.run("wait", "--json", "--timeout", "1ms", code=None)
    assert late.code in (0, 124)
    assert json.loads(late.stdout)["verdict"] in ("success", "timed out")


def test_a_second_up_wait_waits_too_and_succeeds(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  web: {{command: "echo ready; {FOREVER}", ready_when: {{log: ready}}}}
  job: {{command: "true", restart: never}}
""")
    sbx.run("up", "--wait")
    before = pids(sbx)
    assert "1 process ready, 1 completed" in sbx.run("up", "--wait").stderr
    assert pids(sbx) == before


def test_wait_waits_for_what_another_command_has_started(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  web: {{command: "read _ < gate; echo ready; {FOREVER}", ready_when: {{log: ready}}}}
  other: {{command: {FOREVER}, ready_when: {{log: never printed}}}}
""")
    sbx.run("up", "-d")
    assert "other" in sbx.run("wait", "--timeout", "0.1", code=124).stderr
    with sbx.start("wait", "web") as wait:
        gate.open()
        assert wait.wait().code == 0


def test_wait_before_anything_was_started_says_so(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    assert "nothing has been started yet" in refused(sbx, "wait")
    assert "no process named `nix`" in refused(sbx, "wait", "nix")


def test_wait_for_exit_passes_on_the_code_of_a_single_process(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write("""
processes:
  seven: {command: "read _ < gate; exit 7", restart: never}
  killed: {command: "kill -9 $$$$", restart: never}
  fine: {command: "true", restart: never}
""")
    sbx.run("up", "-d")
    with sbx.start("wait", "--for", "exit", "seven") as wait:
        gate.open()
        assert wait.wait().code == 7
    assert sbx.run("wait", "--for", "exit", "killed", code=None).code == 128 + 9
    sbx.run("wait", "--for", "exit", "fine")
    ended = sbx.run("wait", "--for", "exit", code=1)
    assert "seven exited with code 7" in ended.stderr


def test_wait_for_exit_gives_up_at_its_deadline(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    assert "timed out after 0.05s: web is still running" in refused(
        sbx, "wait", "--for", "exit", "--timeout", "50ms", code=124
    )


def test_wait_for_exit_of_what_was_never_started_is_a_mistake(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, job: {{command: 'true', restart: never}}}}\n")
    assert "nothing has been started yet" in refused(sbx, "wait", "--for", "exit")
    sbx.run("up", "-d", "web")
    assert "job has not been started" in refused(sbx, "wait", "--for", "exit", "job")
    sbx.run("stop")
    sbx.run("wait", "--for", "exit", code=1)  # SIGTERM ended it


def test_options_that_contradict_each_other_are_refused(dry: Sbx) -> None:
    dry.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    assert "needs `--wait`" in refused(dry, "up", "--wait-timeout", "1s")
    assert "cannot be used with" in refused(dry, "up", "-d", "--abort-on-exit")
    assert "cannot be used with" in refused(dry, "up", "--wait", "--exit-code-from", "web")
    assert "no process named `nix`" in refused(dry, "up", "--exit-code-from", "nix")
    assert "duration" in refused(dry, "up", "--wait", "--wait-timeout", "soon")


def test_wait_for_exit_says_what_it_waits_for(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write("processes: {job: {command: read _ < gate, restart: never}}\n")
    sbx.run("up", "-d")
    with sbx.start("wait", "--for", "exit", terminal=True) as wait:
        wait.wait_for(r"job\S*\s+\S*running\S*\s+\d+ s")
        gate.open()
        assert wait.wait().code == 0


def test_start_and_restart_wait_for_what_they_are_about(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  db: {{command: "while [ ! -e gate ]; do sleep 0.05; done; echo up; {FOREVER}", ready_when: {{log: up}}}}
  web: {{command: {FOREVER}, replicas: 2, depends_on: [db]}}
  bad: {{command: exit 3, restart: never, autostart: false}}
""")
    assert "timed out" in sbx.run("start", "db", "--wait", "--wait-timeout", "100ms", code=124).stderr
    (sbx.project / "gate").touch()
    assert "3 processes ready" in sbx.run("start", "--wait").stderr
    sbx.run("stop", "web.1")
    assert "1 process ready" in sbx.run("restart", "web.2", "--wait", "--no-deps").stderr
    assert rows(sbx)["web.1"]["pid"] is None
    assert "bad exited with code 3" in sbx.run("start", "--wait", "bad", code=1).stderr
    assert "1 process ready" in sbx.run("restart", "--wait", "db").stderr


def test_start_wait_takes_an_older_definition_that_runs_for_ready(sbx: Sbx) -> None:
    text = f"processes: {{db: {{command: 'echo %s; {FOREVER}', ready_when: {{log: %s}}}}}}"
    sbx.write(text % ("up", "up"))
    sbx.run("start", "--wait")
    sbx.write(text % ("here", "here"))
    said = sbx.run("start", "--wait", "--wait-timeout", "60s").stderr
    assert "db runs an older definition" in said
    assert "1 process ready" in said


@pytest.mark.parametrize("command", ["start", "restart"])
def test_an_interrupted_wait_says_so_in_one_line(sbx: Sbx, command: str) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}, ready_when: {{log: never}}}}}}")
    with sbx.start(command, "--wait") as waiting:
        waiting.wait_for("web started")
        waiting.interrupt()
        done = waiting.wait()
    assert done.code == 130
    lines = done.stderr.splitlines()
    assert lines[-1].endswith("interrupted; started processes keep running, `sbxcompose down` stops them")
    assert sum("interrupted" in line for line in lines) == 1
    assert set(pids(sbx)) == {"web"}


@pytest.mark.parametrize("command", ["start", "restart"])
def test_a_wait_timeout_needs_a_wait(sbx: Sbx, command: str) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}")
    assert "`--wait-timeout` needs `--wait`" in refused(sbx, command, "--wait-timeout", "5s")
    assert "invalid duration" in refused(sbx, command, "--wait", "--wait-timeout", "soon")
