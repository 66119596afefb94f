"""`up -d`, `ps`, `down`: what is missing is started in order, and what is as the file says is left alone."""

from __future__ import annotations

import pytest

from tests.cli.looking import FOREVER, Gate, alive, logged, order_of, pids, rows, runs
from tests.support.command import Sbx

CHAIN = f"""
processes:
  web: {{command: {FOREVER}, depends_on: {{migrate: completed, db: ready}}}}
  db: {{command: "echo is up; {FOREVER}", ready_when: {{log: is up}}}}
  migrate: {{command: echo migrated, restart: never, depends_on: [db]}}
"""
PAIR = f"processes:\n  a: {{command: {FOREVER}}}\n  b: {{command: {FOREVER}, depends_on: [a]}}\n"


@pytest.mark.cold
def test_up_starts_in_the_order_of_needs_and_down_stops_in_the_reverse(sbx: Sbx) -> None:
    sbx.write(CHAIN)
    up = sbx.run("up", "-d")
    order_of(up.stderr, "db started", "db is ready", "migrate started", "web started")
    order_of(up.stderr, "db is ready", "migrate completed", "web started")
    assert up.stdout == ""
    assert {name: row["status"] for name, row in rows(sbx).items()} == {
        "db": "ready",
        "migrate": "completed",
        "web": "running",
    }
    before = pids(sbx)
    down = sbx.run("down")
    order_of(down.stderr, "web stopped", "db stopped")
    assert pids(sbx) == {}
    assert not any(alive(pid) for pid in before.values())


def test_a_second_up_says_that_nothing_is_to_be_done_and_touches_nothing(sbx: Sbx) -> None:
    sbx.write(CHAIN)
    sbx.run("up", "-d")
    before = rows(sbx)
    again = sbx.run("up", "-d")
    assert again.stderr == "nothing to do, 3 unchanged\n"
    assert again.stdout == ""
    assert rows(sbx) == before
    assert sbx.run("logs", "migrate").stdout == "migrate | migrated\n"


def test_a_second_down_and_a_down_before_any_up_have_nothing_to_do(sbx: Sbx) -> None:
    sbx.write(PAIR)
    assert "nothing to do" in sbx.run("down").stderr
    sbx.run("up", "-d")
    sbx.run("down")
    assert "nothing to do" in sbx.run("down").stderr


def test_up_after_down_starts_anew_and_runs_are_counted_on(sbx: Sbx) -> None:
    sbx.write(PAIR)
    sbx.run("up", "-d")
    sbx.run("down")
    sbx.run("up", "-d")
    assert runs(sbx) == {"a": 2, "b": 2}
    assert len(pids(sbx)) == 2


def test_up_with_a_name_starts_only_it_and_what_it_needs(sbx: Sbx) -> None:
    sbx.write(PAIR + f"  c: {{command: {FOREVER}}}\n")
    sbx.run("up", "-d", "b")
    assert set(pids(sbx)) == {"a", "b"}


def test_no_deps_starts_the_named_one_alone(sbx: Sbx) -> None:
    sbx.write(PAIR)
    sbx.run("up", "-d", "--no-deps", "b")
    assert set(pids(sbx)) == {"b"}


def test_a_needed_failure_holds_up_what_needs_it_and_nothing_else(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  job: {{command: "echo cannot connect >&2; exit 3", restart: never}}
  web: {{command: {FOREVER}, depends_on: {{job: completed}}}}
  other: {{command: {FOREVER}}}
""")
    up = sbx.run("up", "-d", code=1)
    assert "job exited with code 3" in up.stderr
    assert "cannot connect" in up.stderr
    assert "web was not started: held up by job" in up.stderr
    assert set(pids(sbx)) == {"other"}


def test_a_failed_one_shot_is_run_again_and_a_completed_one_is_not(sbx: Sbx) -> None:
    sbx.write("""
processes:
  good: {command: "true", restart: never}
  bad: {command: "test -e mended", restart: never}
  needs: {command: "true", restart: never, depends_on: {good: completed, bad: completed}}
""")
    sbx.run("up", "-d", code=1)
    assert runs(sbx) == {"good": 1, "bad": 1}
    sbx.write("", "mended")
    sbx.run("up", "-d")
    assert runs(sbx) == {"good": 1, "bad": 2, "needs": 1}
    assert rows(sbx)["bad"]["status"] == "completed"


def test_replicas_are_distinguished_and_scale_changes_their_number(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: 'echo I am $$SBXCOMPOSE_REPLICA; {FOREVER}', replicas: 2}}}}\n")
    sbx.run("up", "-d")
    before = pids(sbx)
    assert set(before) == {"web.1", "web.2"}
    sbx.run("up", "-d", "--scale", "web=3")
    grown = pids(sbx)
    assert set(grown) == {"web.1", "web.2", "web.3"}
    assert before.items() <= grown.items()
    logged(sbx, "I am 3", "web.3")
    sbx.run("up", "-d", "--scale", "web=1")
    assert list(pids(sbx).values()) == [before["web.1"]]
    assert sbx.run("logs", "--no-log-prefix", "web.3").stdout == "I am 3\n"
    sbx.run("scale", "web=2")
    plan = sbx.run("plan", "--scale", "web=0")
    assert "stop web.1: one replica fewer" in plan.stdout
    none = sbx.run("scale", "web=0")
    assert {"web.1 stopped", "web.2 stopped"} <= set(none.stderr.splitlines())


def test_a_profile_decides_what_is_wanted(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  web: {{command: {FOREVER}}}
  debug: {{command: {FOREVER}, profiles: [dev]}}
""")
    sbx.run("up", "-d")
    assert set(pids(sbx)) == {"web"}
    sbx.run("--profile", "dev", "up", "-d")
    assert set(pids(sbx)) == {"web", "debug"}
    sbx.run("--profile", "dev", "down")
    sbx.run("up", "-d", env={"SBXCOMPOSE_PROFILES": "dev"})
    assert set(pids(sbx)) == {"web", "debug"}


def test_down_stops_also_what_a_profile_has_started(sbx: Sbx) -> None:
    sbx.write(f"processes: {{debug: {{command: {FOREVER}, profiles: [dev]}}}}\n")
    sbx.run("--profile", "dev", "up", "-d")
    sbx.run("down")
    assert pids(sbx) == {}


def test_a_named_process_needs_no_profile(sbx: Sbx) -> None:
    sbx.write(f"processes: {{debug: {{command: {FOREVER}, profiles: [dev]}}}}\n")
    sbx.run("up", "-d", "debug")
    assert set(pids(sbx)) == {"debug"}


def test_sandboxes_are_kept_apart_and_names_distinguished(sbx: Sbx) -> None:
    sbx.write(f"""
sandboxes:
  app: {{processes: {{web: {{command: {FOREVER}, depends_on: [store/db]}}}}}}
  store: {{processes: {{db: {{command: "echo up; {FOREVER}", ready_when: {{log: up}}}}, web: {{command: {FOREVER}}}}}}}
""")
    up = sbx.run("up", "-d")
    order_of(up.stderr, "db is ready", "app/web started")
    assert set(pids(sbx)) == {"app/web", "store/web", "db"}
    sbx.run("stop", "app/web")
    assert set(pids(sbx)) == {"store/web", "db"}


def test_a_process_gets_the_callers_environment_with_the_files_on_top(sbx: Sbx) -> None:
    sbx.write("""
processes:
  all: {command: "echo $$OF_THE_SHELL $$OF_THE_FILE $$SBXCOMPOSE_PROCESS", env: {OF_THE_FILE: file}, restart: never}
  none: {command: ["/bin/sh", -c, "echo [$$OF_THE_SHELL]"], inherit_env: false, restart: never}
  some: {command: "echo $$OF_THE_SHELL", inherit_env: [PATH, OF_THE_SHELL], restart: never}
""")
    sbx.run("up", "-d", "--wait", env={"OF_THE_SHELL": "shell", "OF_THE_FILE": "beaten"})
    assert sorted(sbx.run("logs").stdout.splitlines()) == ["all  | shell file all", "none | []", "some | shell"]


def test_up_in_a_folder_below_the_file_is_about_the_same_project(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: 'pwd; {FOREVER}'}}}}\n")
    sbx.write("", "deep/down/here")
    sbx.run("up", "-d", cwd=sbx.project / "deep/down")
    assert set(pids(sbx)) == {"web"}
    assert "nothing to do" in sbx.run("up", "-d").stderr


def test_a_procfile_is_brought_up_too(sbx: Sbx) -> None:
    sbx.write(f"web: echo port $PORT; {FOREVER}\nworker: {FOREVER}\n", "Procfile")
    up = sbx.start("up")
    up.wait_for(r"web +\| port 5000")
    up.wait_for("worker started")
    assert set(pids(sbx)) == {"web", "worker"}
    up.interrupt()
    assert up.wait().code == 130


def test_ctrl_c_during_up_d_leaves_what_has_begun_and_says_so(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  first: {{command: {FOREVER}}}
  slow: {{command: "read _ < gate", restart: never, depends_on: [first]}}
  last: {{command: {FOREVER}, depends_on: {{slow: completed}}}}
""")
    up = sbx.start("up", "-d")
    up.wait_for("slow started")
    up.interrupt()
    done = up.wait()
    assert done.code == 130
    assert "`sbxcompose down` stops them" in done.stderr
    assert done.stderr.count("interrupted") == 1
    assert set(pids(sbx)) == {"first", "slow"}
    gate.open()
    sbx.run("up", "-d")
    assert {"first", "last"} <= set(pids(sbx))
    assert runs(sbx)["slow"] == 1


def test_what_ignores_sigterm_is_killed_once_its_grace_is_over(sbx: Sbx) -> None:
    sbx.write("""
processes:
  stubborn:
    command: "trap '' TERM; echo deaf; read _ <> gate"
    ready_when: {log: deaf}
    stop: {grace: 10ms}
""")
    Gate(sbx)
    sbx.run("up", "-d", "--wait")
    pid = pids(sbx)["stubborn"]
    sbx.run("down")
    assert not alive(pid)


def test_the_timeout_of_down_beats_the_grace_of_the_file(sbx: Sbx) -> None:
    sbx.write("""
processes:
  stubborn: {command: "trap '' TERM; echo deaf; read _ <> gate", ready_when: {log: deaf},
             stop: {grace: 1h}}
""")
    Gate(sbx)
    sbx.run("up", "-d", "--wait")
    sbx.run("down", "--timeout", "0.01")
    assert pids(sbx) == {}


def test_the_stop_signal_of_the_file_is_the_one_that_is_sent(sbx: Sbx) -> None:
    Gate(sbx)
    sbx.write("""
processes:
  web: {command: "trap 'echo got INT; exit 0' INT; echo here; read _ <> gate", ready_when: {log: here},
        stop: {signal: INT}}
""")
    sbx.run("up", "-d", "--wait")
    sbx.run("down")
    assert sbx.run("logs", "--no-log-prefix").stdout == "here\ngot INT\n"
