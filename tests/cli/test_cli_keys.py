"""Keys of a process as a user meets them: `port`, `autostart`, `stop_all_on`, `depends_on`, `description`."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from tests.cli.looking import FOREVER, Gate, alive, order_of, pids, refused, rows
from tests.live.host.listeners import listening
from tests.support.command import Sbx
from tests.support.ports import free_port
from tests.support.waiting import until

PROMPT = "timeout: 1m, interval: 20ms, initial_delay: 0, failure_threshold: 2"
"""Of a health check: it counts at once, and its command may wait for its turn."""
SERVE = f"exec {sys.executable} -m http.server --bind 127.0.0.1 $$PORT"


def test_each_replica_serves_and_is_checked_at_its_own_port(sbx: Sbx) -> None:
    port = free_port(2)
    sbx.write(f"processes: {{web: {{command: {SERVE}, port: {port}, replicas: 2, health_check: http}}}}")
    result = sbx.run("up", "-d", "--wait")
    assert "replica" not in result.stderr
    found = rows(sbx)
    assert {name: (row["status"], row["port"]) for name, row in found.items()} == {
        "web.1": ("healthy", port),
        "web.2": ("healthy", port + 1),
    }
    sbx.run("up", "-d", "--wait", "--scale", "web=1")
    assert set(pids(sbx)) == {"web.1"}


def test_a_replica_that_does_not_serve_its_port_is_not_healthy(sbx: Sbx) -> None:
    port = free_port(2)
    lazy = f"[ $$SBXCOMPOSE_REPLICA = 1 ] || {FOREVER}; {SERVE}"
    check = "{http: true, initial_delay: 0, interval: 50ms, failure_threshold: 1}"
    sbx.write(
        f"processes: {{web: {{command: '{lazy}', port: {port}, replicas: 2, restart: never, health_check: {check}}}}}"
    )
    refused(sbx, "up", "-d", "--wait", code=1)  # the first one, too, if it serves its port later than it is looked at
    failure = until(lambda: rows(sbx)["web.2"]["last_error"])
    assert failure == f"unhealthy: GET :{port + 1}/: connection refused"


def test_replicas_that_share_a_check_are_told_of_the_key(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}, replicas: 2, health_check: {{tcp: {free_port()}}}}}}}")
    assert "its 2 replicas share the health check of port" in sbx.run("up", "-d").stderr
    assert "replicas share" not in sbx.run("up", "-d").stderr


def test_a_process_is_not_started_on_a_port_in_use(sbx: Sbx) -> None:
    with listening(lambda connection: None) as port:
        sbx.write(f"processes: {{web: {{command: {FOREVER}, port: {port}}}}}")
        said = refused(sbx, "up", "-d", code=1)
        assert f"web could not be started: port {port} is in use by " in said
        found = sbx.run("why", "web", code=1).stdout
        assert f"web has not been started: port {port} is in use by " in found
        assert "hint: stop it, or choose another `port`" in found
        assert f"(pid {os.getpid()})" in said
    sbx.run("up", "-d")
    assert set(pids(sbx)) == {"web"}


def test_a_restart_finds_its_own_port_free(sbx: Sbx) -> None:
    port = free_port()
    sbx.write(f"processes: {{web: {{command: {SERVE}, port: {port}, health_check: http}}}}")
    sbx.run("up", "-d", "--wait")
    before = pids(sbx)["web"]
    sbx.run("restart", "web")
    assert pids(sbx)["web"] != before


def test_what_does_not_start_by_itself_starts_by_name(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, debug: {{command: {FOREVER}, autostart: false}}}}")
    sbx.run("up", "-d")
    assert set(pids(sbx)) == {"web"}
    assert "debug is only started by name" in sbx.run("why", "debug", code=1).stdout
    sbx.run("start", "debug")
    before = pids(sbx)
    assert set(before) == {"web", "debug"}
    assert "nothing to do" in sbx.run("up", "-d").stderr
    sbx.run("restart")
    after = pids(sbx)
    assert set(after) == {"web", "debug"}
    assert not set(before.values()) & set(after.values())
    sbx.run("down")
    assert not pids(sbx)


def test_the_end_of_one_ends_an_attached_up_with_a_failure(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, tests: {{command: 'exit 4', stop_all_on: failure}}}}")
    assert "tests has ended (`stop_all_on`)" in sbx.run("up", code=4).stdout
    assert not pids(sbx)


@pytest.mark.parametrize("code", [0, 7])
def test_the_end_of_one_ends_an_attached_up_with_its_code(sbx: Sbx, code: int) -> None:
    sbx.write(
        f"processes: {{web: {{command: {FOREVER}}}, tests: {{command: 'exit {code}', depends_on: [web], "
        "stop_all_on: exit}}"
    )
    result = sbx.run("up", code=code)
    order_of(result.stdout, "tests has ended (`stop_all_on`); stopping the others", "web stopped")
    assert "all processes have exited" not in result.stderr, "the others were stopped"
    assert not pids(sbx)


def test_the_end_of_one_ends_an_attached_up_that_watches_files(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, tests: {{command: 'exit 4', stop_all_on: failure}}}}")
    sbx.run("up", "--watch", code=4)


def test_in_the_background_it_is_said_to_have_no_effect(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, tests: {{command: 'exit 0', stop_all_on: exit}}}}")
    assert "note: tests: `stop_all_on` only has an effect while `up` stays attached" in sbx.run("up", "-d").stderr
    assert set(pids(sbx)) == {"web"}


def test_a_report_comes_after_failed_tests(sbx: Sbx) -> None:
    sbx.write(
        """
processes:
  tests: {command: "echo 3 failed; exit 3", restart: never}
  report: {command: "echo reported", restart: never, depends_on: {tests: ended}}
"""
    )
    result = sbx.run("up", code=1)
    order_of(result.stdout, "3 failed", "tests exited with code 3", "reported")
    assert "tests exited with code 3" in result.stderr


def test_a_description_is_shown(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{description: The web server, command: {FOREVER}, port: {free_port()}}}}}")
    sbx.run("up", "-d")
    assert "The web server" not in sbx.run("ps").stdout
    header, line = sbx.run("ps", "-l").stdout.splitlines()
    assert header.split()[-2:] == ["PORT", "DESCRIPTION"]
    assert line.endswith("The web server")
    assert rows(sbx)["web"]["description"] == "The web server"
    assert "The web server" in sbx.run("why", "web").stdout


# -- tty ---------------------------------------------------------------------------------------------------


def test_output_goes_through_a_terminal(sbx: Sbx) -> None:
    sbx.write(
        r"""
processes:
  it: {restart: never, tty: true, command: "test -t 1 && test -t 2 && echo a terminal; test -t 0 || echo no input"}
  no: {restart: never, command: "test -t 1 || echo a pipe"}
"""
    )
    result = sbx.run("up")
    assert "it | a terminal\n" in result.stdout
    assert "no | a pipe\n" in result.stdout


def test_the_terminal_has_a_size_and_leaves_lines_alone(sbx: Sbx) -> None:
    command = r"stty size </dev/tty; printf 'one\ntwo\n'; echo $$TERM; sleep 0; exit 3"
    sbx.write(
        f"processes: {{it: {{restart: never, tty: true, env: {{TERM: vt100, COLUMNS: 99}}, command: {command!r}}}}}"
    )
    sbx.run("up", code=3 - 2)
    assert sbx.run("logs", "it", "--no-log-prefix").stdout.splitlines() == ["24 99", "one", "two", "vt100"]


def test_with_an_open_input_a_terminal_is_attached_to(sbx: Sbx) -> None:
    sbx.write(
        "processes: {it: {restart: never, tty: true, stdin: pipe, "
        'command: "test -t 0 && echo ready; read word; echo got $$word; exit 5", ready_when: {log: ready}}}'
    )
    sbx.run("up", "-d", "--wait", code=None)
    with sbx.start("attach", "it") as attached:
        attached.press("hello\n")
        attached.wait_for("got hello")
        assert attached.wait().code == 5


def test_a_terminal_is_a_new_run(sbx: Sbx) -> None:
    text = f"processes: {{it: {{command: 'test -t 1 && echo a terminal; {FOREVER}'}}}}"
    sbx.write(text)
    sbx.run("up", "-d")
    sbx.write(text.replace("{command", "{tty: true, command"))
    sbx.run("up", "-d")
    with sbx.start("logs", "-f", "it") as logs:
        logs.wait_for("a terminal")
    assert rows(sbx)["it"]["run"] == 2


# -- health_check: {exec: ...} -----------------------------------------------------------------------------


def test_a_command_says_whether_it_is_healthy(sbx: Sbx) -> None:
    (sbx.project / "sub").mkdir()
    check = f"{{exec: 'test -e up && test $$OF_WEB = yes', {PROMPT}}}"
    sbx.write("", "sub/up")
    keys = f"command: {FOREVER}, workdir: sub, env: {{OF_WEB: 'yes'}}, health_check: {check}"
    sbx.write(f"processes: {{web: {{{keys}, restart: never}}}}")
    sbx.run("up", "-d", "--wait")
    assert rows(sbx)["web"]["status"] == "healthy"
    assert len(sbx.run("ps").stdout.splitlines()) == 2, "its checks are in no list"
    (sbx.project / "sub" / "up").unlink()
    sbx.run("wait", "web", code=None)
    row = rows(sbx)["web"]
    assert row["last_error"] == "unhealthy: test -e up && test $OF_WEB = yes: exited with code 1"


def test_why_a_check_fails_is_reported_in_its_own_words(sbx: Sbx) -> None:
    check = f"{{exec: [sh, -c, 'echo no response >&2; exit 2'], {PROMPT}}}"
    sbx.write(f"processes: {{db: {{command: {FOREVER}, restart: never, health_check: {check}}}}}")
    said = refused(sbx, "up", "-d", "--wait", code=1)
    assert "exited with code 2: no response" in said


def test_a_check_that_takes_too_long_is_ended_with_all_it_started(sbx: Sbx) -> None:
    check = "{exec: 'sleep 999 & sleep 999', timeout: 50ms, interval: 20ms, initial_delay: 0, failure_threshold: 1}"
    sbx.write(f"processes: {{db: {{command: {FOREVER}, restart: never, health_check: {check}}}}}")
    assert "did not exit within 50 ms" in refused(sbx, "up", "-d", "--wait", code=1)


# -- success_exit_codes ------------------------------------------------------------------------------------


def test_other_codes_count_as_success(sbx: Sbx) -> None:
    sbx.write(
        f"""
processes:
  job: {{command: exit 5, success_exit_codes: [5]}}
  killed: {{command: 'kill -TERM $$$$', restart: never, success_exit_codes: [143]}}
  web: {{command: {FOREVER}, depends_on: {{job: completed, killed: completed}}}}
"""
    )
    sbx.run("up", "-d", "--wait")
    found = rows(sbx)
    assert [found[name]["status"] for name in ("job", "killed", "web")] == ["exited 5", "completed", "running"]
    assert found["job"]["restarts"] == 0, "its policy is on_failure, and this is no failure"
    assert "not run again" in sbx.run("up", "-d", "--wait").stderr
    sbx.run("up", "--exit-code-from", "job", code=0)


# -- stop: {command: ...} ----------------------------------------------------------------------------------


def test_a_command_stops_it_instead_of_the_signal(sbx: Sbx) -> None:
    gate = Gate(sbx)
    stop = "test $$OF_WEB = 1 && kill -0 $$SBXCOMPOSE_PID && echo stop > gate"
    keys = "env: {OF_WEB: 1}, command: \"trap '' TERM; echo ready; read _ < gate; echo asked nicely\""
    sbx.write(f"processes: {{web: {{{keys}, ready_when: {{log: ready}}, stop: {{command: '{stop}', grace: 1h}}}}}}")
    assert gate.path.exists()
    sbx.run("up", "-d", "--wait")
    sbx.run("stop", "web")
    assert "asked nicely" in sbx.run("logs", "web").stdout
    assert not pids(sbx)


def test_where_the_command_fails_the_signal_follows(sbx: Sbx) -> None:
    stop = "{command: 'echo asking; echo no server >&2; exit 3', grace: 1h}"
    sbx.write(f"processes: {{web: {{command: {FOREVER}, stop: {stop}}}}}")
    sbx.run("up", "-d")
    said = sbx.run("stop", "web").stderr
    assert rows(sbx)["web"]["status"] == "stopped"
    assert "its stop command failed: exited with code 3: no server" in said
    why = sbx.run("why", "web", code=1).stdout
    assert why.count("its stop command printed:\n    asking\n    no server\n") == 1


def test_a_command_that_achieves_nothing_has_the_grace_and_no_more(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}, stop: {{command: sleep 999, grace: 50ms}}}}}}")
    sbx.run("up", "-d")
    sbx.run("stop", "web")
    end = rows(sbx)["web"]
    assert end["status"] == "stopped"
    # In the cloud the DELETE that ends supervision sends SIGTERM, which may come before our SIGKILL.
    assert end["exit"]["signal"] in (signal.SIGKILL, signal.SIGTERM)


def test_the_output_of_a_stop_command_that_is_killed_is_kept(sbx: Sbx) -> None:
    Gate(sbx)
    stop = "{command: 'echo asking; echo twice >&2; echo > gate; exec sleep 999', grace: 1h}"
    sbx.write(f"processes: {{web: {{command: {FOREVER}, stop: {stop}}}}}")
    sbx.run("up", "-d")
    with sbx.start("stop", "web") as stopping:
        (sbx.project / "gate").read_text()  # it has printed all it will
        sbx.run("kill", "web")
        stopping.wait()
    why = sbx.run("why", "web", code=1).stdout
    assert "its stop command printed:\n    asking\n    twice\n" in why


def test_what_outlives_the_process_after_its_stop_command_is_sent_sigterm(sbx: Sbx) -> None:
    Gate(sbx)
    command = "sleep 1000 & echo $! > child; echo ready; read _ < gate"
    sbx.write(
        f"""
processes:
  web: {{command: "{command}", ready_when: {{log: ready}}, stop: {{command: "echo stop > gate", grace: 1h}}}}
""".replace("$!", "$$!")
    )
    sbx.run("up", "-d", "--wait")
    child = int((sbx.project / "child").read_text())
    sbx.run("stop", "web")
    assert not alive(child)
    assert rows(sbx)["web"]["status"] == "stopped"


def test_a_restart_stops_by_the_command_too(sbx: Sbx) -> None:
    Gate(sbx)
    keys = "command: \"trap '' TERM; echo ready; read _ < gate; echo asked nicely\", ready_when: {log: ready}"
    sbx.write(f"processes: {{web: {{{keys}, stop: {{command: 'echo stop > gate', grace: 1h}}}}}}")
    sbx.run("up", "-d", "--wait")
    sbx.run("restart", "web")
    assert rows(sbx)["web"]["run"] == 2
    sbx.run("down")
    assert sbx.run("logs", "web", "--all").stdout.count("asked nicely") == 2
