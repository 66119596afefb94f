"""Attached `up`: everybody's output in one stream, and an end in order, whatever ends it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

from tests.cli.looking import FOREVER, Gate, alive, json_lines, order_of, pids, refused, rows, runs
from tests.support.command import COMMAND, Running, Sbx
from tests.support.home import wait_gone

CHAIN = f"""
processes:
  web: {{command: "echo at your service; {FOREVER}", depends_on: [db]}}
  db: {{command: "echo is up; {FOREVER}", ready_when: {{log: is up}}}}
"""
STUBBORN = """
processes:
  stubborn: {command: "trap '' INT TERM; echo deaf; read _ <> gate", stop: {grace: 1h}}
"""


def plain(text: str) -> str:
    """What a terminal shows, without colours and carriage returns."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "")


@pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
def test_shows_all_output_and_ctrl_c_stops_in_the_reverse_order(sbx: Sbx, terminal: bool) -> None:
    sbx.write(CHAIN)
    with sbx.start("up", terminal=terminal) as up:
        up.wait_for("at your service")
        running = pids(sbx)
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    shown = plain(done.stdout)
    order_of(shown, "db  | is up", "db is ready", "web | at your service")
    assert "* db started" in shown
    assert "* web started" in shown
    order_of(shown, "stopping; Ctrl-C again kills", "web stopped", "db stopped")
    assert "interrupted, everything has been stopped" in plain(done.stdout + done.stderr)
    assert set(running) == {"web", "db"}
    assert not any(alive(pid) for pid in running.values())
    assert {row["status"] for row in rows(sbx).values()} == {"stopped"}


def test_readiness_of_each_check_is_announced_and_once_that_everything_is_up(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  db: {{command: "read _ < gate; echo is up; {FOREVER}", ready_when: {{log: is up}}}}
  cache: {{command: "{FOREVER}", ready_when: {{exec: "true"}}}}
  seed: {{command: "true", restart: never}}
  web: {{command: "{FOREVER}"}}
""")
    with sbx.start("up") as up:
        up.wait_for("cache is ready")
        gate.open()
        shown = up.wait_for(r"3 processes ready, 1 completed in \d+\.\ds")
        order_of(shown, "db is ready", "3 processes ready")
        assert "web is ready" not in shown
        up.interrupt()
        up.wait()
    assert up.everything.count("is ready") == 2


def test_what_another_terminal_starts_is_reported(sbx: Sbx) -> None:
    sbx.write(CHAIN)
    with sbx.start("up") as up:
        up.wait_for("web started")
        sbx.run("restart", "web")
        up.wait_for(r"web started by another command \(run 2\)")
        sbx.run("stop", "web")
        sbx.run("start", "web")
        shown = up.wait_for(r"web started by another command \(run 3\)")
        order_of(shown, "web started", "web stopped", "(run 2)", "(run 3)")
        up.interrupt()
        up.wait()
    assert up.everything.count("web started\n") == 1


def test_a_restart_in_another_terminal_does_not_end_it_and_a_stop_does(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: exec sleep 1000}}\n")
    with sbx.start("up") as up:
        for run in (1, 2, 3):
            up.wait_for("web started" if run == 1 else rf"web started by another command \(run {run}\)")
            sbx.run("restart", "web")
        up.wait_for(r"web started by another command \(run 4\)")
        sbx.run("stop", "web")
        ended = up.wait()
    assert (ended.code, ended.stderr) == (0, "all processes have exited\n")


def test_what_is_muted_is_announced_all_the_same(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: echo of web}, worker: {command: echo of worker}}\n")
    shown = sbx.run("up", "--no-attach", "w*k*", "--no-color").stdout
    assert "of web" in shown
    assert "of worker" not in shown
    assert "worker started" in shown
    assert "of worker" in sbx.run("up", "--attach", "worker").stdout
    assert "no process named `wep`" in refused(sbx, "up", "--attach", "wep")
    assert "cannot be used with `-d`" in refused(sbx, "up", "-d", "--attach", "web")


@pytest.mark.parametrize("options", [("up", "--wait"), ("up",)])
def test_what_is_waited_for_is_reported_after_a_while(sbx: Sbx, options: tuple[str, ...]) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  db: {{command: "read _ < gate; echo accepts; {FOREVER}", ready_when: {{log: accepts}}}}
  web: {{command: "echo hello; {FOREVER}", depends_on: [db]}}
""")
    with sbx.start(*options) as up:
        up.wait_for(
            r"waiting for db( to be ready)? \(\d+ s; web needs it\): is running, not ready yet: "
            "waiting for a line that matches `accepts`",
            timeout=60,
        )
        gate.open()
        up.wait_for("web started")
        if options == ("up",):
            up.interrupt()
        up.wait()


@pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
def test_a_second_ctrl_c_kills_what_ignores_the_first(sbx: Sbx, terminal: bool) -> None:
    Gate(sbx)
    sbx.write(STUBBORN)
    with sbx.start("up", terminal=terminal) as up:
        up.wait_for("deaf")
        pid = pids(sbx)["stubborn"]
        up.interrupt()
        up.wait_for("Ctrl-C again kills")
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    assert "killing what is left" in done.stdout
    assert not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_signal_to_the_command_stops_everything_too(sbx: Sbx, number: int) -> None:
    sbx.write(CHAIN)
    with sbx.start("up") as up:
        up.wait_for("at your service")
        running = pids(sbx)
        up.signal(number)
        done = up.wait()
    assert done.code == 130
    assert not any(alive(pid) for pid in running.values())


def test_ends_with_0_once_everything_has_ended_well(sbx: Sbx) -> None:
    sbx.write("processes: {a: {command: echo one, restart: never}, b: {command: echo two, restart: never}}\n")
    up = sbx.run("up")
    assert "a | one" in up.stdout
    assert "b | two" in up.stdout
    assert "all processes have exited: 2 completed" in up.stderr


def test_ends_with_1_once_everything_has_ended_and_something_failed(sbx: Sbx) -> None:
    sbx.write("""
processes:
  good: {command: echo one, restart: never}
  bad: {command: "echo broken >&2; exit 7", restart: never}
  web: {command: "true", depends_on: {bad: completed}}
""")
    up = sbx.run("up", code=1)
    assert "bad  ! broken" in up.stdout
    assert "bad exited with code 7" in up.stdout
    assert "held up by bad" in up.stdout
    assert "bad exited with code 7" in up.stderr
    assert runs(sbx) == {"good": 1, "bad": 1}


def test_abort_on_exit_stops_the_others(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  first: {{command: "read _ < gate; exit 3", restart: never}}
  other: {{command: {FOREVER}}}
""")
    with sbx.start("up", "--abort-on-exit") as up:
        up.wait_for("other started")
        gate.open()
        done = up.wait()
    assert done.code == 1
    assert "other stopped" in done.stdout
    assert pids(sbx) == {}


@pytest.mark.parametrize("ending, code", [("exit 0", 0), ("exit 42", 42), ("kill -9 $$$$", 137)])
def test_exit_code_from_ends_all_with_that_code(sbx: Sbx, ending: str, code: int) -> None:
    sbx.write(f"""
processes:
  db: {{command: {FOREVER}}}
  tests: {{command: "{ending}", restart: never, depends_on: [db]}}
""")
    sbx.run("up", "--exit-code-from", "tests", code=code)
    assert pids(sbx) == {}


def test_exit_code_from_fails_when_what_it_names_cannot_be_started(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  db: {{command: "exit 5", restart: never}}
  other: {{command: {FOREVER}}}
  tests: {{command: "true", restart: never, depends_on: {{db: completed}}}}
""")
    up = sbx.run("up", "--exit-code-from", "tests", code=1)
    assert "db exited with code 5" in up.stderr
    assert pids(sbx) == {}


def test_a_reader_that_leaves_ends_it_and_nothing_is_left(sbx: Sbx) -> None:
    """As `up | head -1` does it."""
    sbx.write("processes: {web: {command: 'while :; do echo line || exit; done'}}\n")
    up = subprocess.Popen([COMMAND, "up"], cwd=sbx.project, env=sbx.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with up:
        try:
            assert up.stdout
            assert up.stderr
            assert up.stdout.readline()
            up.stdout.close()
            code = up.wait(60)
            said = up.stderr.read()
        finally:
            up.kill()
    assert code == 141
    assert b"Traceback" not in said
    assert pids(sbx) == {}


def test_an_attached_up_shows_what_already_runs_and_stops_it(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"processes: {{web: {{command: 'read _ < gate; echo hello; {FOREVER}'}}}}\n")
    sbx.run("up", "-d")
    before = pids(sbx)
    with sbx.start("up") as up:
        up.wait_for("already up to date")
        gate.open()
        up.wait_for(r"web \| hello")
        assert pids(sbx) == before
        up.interrupt()
        assert up.wait().code == 130
    assert pids(sbx) == {}


def test_attaching_to_what_is_not_ready_yet_says_so_and_readiness_is_reported_once(sbx: Sbx) -> None:
    gate = Gate(sbx)
    ready = f"command: 'read _ < gate; echo is up; read _ < gate; echo goes on; {FOREVER}', ready_when: {{log: is up}}"
    sbx.write(f"processes: {{db: {{{ready}}}, web: {{command: {FOREVER}, depends_on: [db]}}}}\n")
    with sbx.start("up") as first:
        first.wait_for("db started")
        with sbx.start("up", "db") as second:
            second.wait_for("already up to date; attaching to logs")
            gate.open()
            second.wait_for("db is ready")
            first.wait_for("web started")
            second.process.kill()
        with sbx.start("up") as third:
            third.wait_for("already up to date; attaching to logs")
            gate.open()
            third.wait_for("goes on")
            third.interrupt()
            assert "is ready" not in third.wait().stdout
        first.wait()


def test_ctrl_c_stops_only_what_was_named(sbx: Sbx) -> None:
    sbx.write(CHAIN + f"  other: {{command: {FOREVER}}}\n")
    sbx.run("up", "-d", "other")
    before = pids(sbx)
    with sbx.start("up", "web") as up:
        up.wait_for("at your service")
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    assert "other" not in done.stdout
    assert pids(sbx) == before


def test_ctrl_c_while_it_is_still_starting(sbx: Sbx) -> None:
    Gate(sbx)
    sbx.write(f"""
processes:
  first: {{command: {FOREVER}}}
  slow: {{command: "read _ <> gate", restart: never, depends_on: [first]}}
  last: {{command: {FOREVER}, depends_on: {{slow: completed}}}}
""")
    with sbx.start("up") as up:
        up.wait_for("slow started")
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    order_of(done.stdout, "slow stopped", "first stopped")
    assert "last started" not in done.stdout
    assert pids(sbx) == {}


def test_a_crash_and_its_restart_are_announced(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  web:
    command: "test -e second && {{ echo again; {FOREVER}; }}; touch second; echo bye >&2; exit 3"
    restart: {{policy: on_failure, initial_backoff: 1ms}}
""")
    with sbx.start("up") as up:
        seen = up.wait_for(r"web \| again")
        order_of(seen, "web ! bye", "web exited with code 3, restarts in", "web | again")
        up.interrupt()
        up.wait()
    assert rows(sbx)["web"]["restarts"] == 1


def test_its_output_as_json_lines(sbx: Sbx) -> None:
    sbx.write("processes: {a: {command: 'echo out; echo err >&2', restart: never}}\n")
    up = sbx.run("up", "--json")
    *said, verdict = json_lines(up.stdout)
    assert (verdict["verdict"], verdict["completed"]) == ("success", 1)
    texts = {(item["stream"], item["line"]) for item in said}
    assert {("stdout", "out"), ("stderr", "err"), ("system", "a started"), ("system", "a completed")} <= texts
    assert all(item["time"].endswith("Z") for item in said)


def test_no_prefix_and_timestamps(sbx: Sbx) -> None:
    sbx.write("processes: {a: {command: echo out, restart: never}}\n")
    assert "\nout\n" in "\n" + sbx.run("up", "--no-log-prefix").stdout
    again = sbx.run("up", "--timestamps", "--force-recreate").stdout
    assert re.search(r"^a \| \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z out$", again, re.MULTILINE)


def stop_by_ctrl_c(up: Running) -> None:
    up.interrupt()
    assert up.wait().code == 130


@pytest.mark.parametrize(
    "escape",
    [
        "setsid sh -c 'exec sleep 1000' & wait",
        "(setsid sh -c 'trap \\\"\\\" TERM INT HUP; read _ <> gate' &) ; echo escaped; exec sleep 1000",
        "nohup sh -c 'trap \\\"\\\" TERM INT HUP; read _ <> gate' & echo escaped; wait",
    ],
    ids=["setsid", "double-fork-deaf", "nohup-deaf"],
)
def test_processes_that_leave_their_session_are_ended(sbx: Sbx, escape: str) -> None:
    Gate(sbx)
    sbx.write(f'processes: {{web: {{command: "echo begun; {escape}", stop: {{grace: 50ms}}}}}}\n')
    with sbx.start("up") as up:
        up.wait_for("begun")
        stop_by_ctrl_c(up)
    # The fixture fails the test if anything that carries its marker is alive now.


def test_what_a_process_leaves_behind_when_it_ends_by_itself_is_ended_too(sbx: Sbx) -> None:
    Gate(sbx)
    sbx.write("""
processes:
  web:
    command: "setsid sh -c 'echo $$$$ > pid; echo > there; exec sleep 1000' & read _ < there"
    restart: never
""")
    os.mkfifo(sbx.project / "there")
    sbx.run("up")
    pid = int((sbx.project / "pid").read_text())
    assert wait_gone([pid], 60)


def test_a_replica_that_fails_is_named_with_its_number(sbx: Sbx) -> None:
    sbx.write("""
processes:
  web: {command: "test $$SBXCOMPOSE_REPLICA != 2", restart: never, replicas: 3}
""")
    assert "web.2 exited with code 1" in sbx.run("up", code=1).stderr


def test_up_in_a_folder_without_a_file(dry: Sbx) -> None:
    said = refused(dry, "up")
    assert "sbxcompose.yaml" in said
    assert json.dumps(said)


def test_a_background_job_of_a_script_reacts_to_an_interrupt(sbx: Sbx) -> None:
    """Shells ignore SIGINT for `sbxcompose up &` in a script; `kill -INT $!` is meant all the same."""
    sbx.write(f"processes: {{web: {{command: echo ready; {FOREVER}}}}}\n")
    ignoring = ["sh", "-c", f"trap '' INT; exec {COMMAND} up"]
    with Running(ignoring, sbx.project, sbx.env, terminal=False) as running:
        running.wait_for("ready")
        running.signal(signal.SIGINT)
        assert running.wait().code == 130
    assert pids(sbx) == {}


def test_the_input_of_a_procfiles_process_stays_open(sbx: Sbx) -> None:
    """Watchers such as `esbuild --watch` end when their input does."""
    sbx.write("css: echo ready; cat; echo input ended\n", "Procfile")
    with sbx.start("up") as up:
        up.wait_for("ready")
        with sbx.start("attach", "css") as attached:
            attached.press("hello\n")
            up.wait_for("hello")
        up.interrupt()
        assert "input ended" not in up.wait().stdout
