"""`exec` and `run`: a command in the foreground, in the place of a process, with its exit code passed on."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cli.looking import FOREVER, WEB, Gate, alive, pids, refused, rows, web
from tests.support.command import Sbx


def test_exec_runs_where_the_process_runs_with_its_variables_and_streams(sbx: Sbx) -> None:
    web(sbx)
    done = sbx.run("exec", "web", "sh", "-c", 'pwd; echo "$OF_WEB"; echo $SBXCOMPOSE_PROCESS; echo err >&2')
    assert done.stdout == f"{sbx.project}/sub\nyes indeed\nweb\n"
    assert done.stderr == "err\n"


def test_exec_passes_the_exit_code_on(sbx: Sbx) -> None:
    web(sbx)
    for script, code in (("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill $$", 143)):
        assert sbx.run("exec", "web", "sh", "-c", script, code=code).stderr == ""


def test_exec_passes_standard_input_on_byte_by_byte_and_closes_it(sbx: Sbx) -> None:
    web(sbx)
    assert sbx.run("exec", "web", "cat", stdin="one\ntwo").stdout == "one\ntwo"
    many = "".join(f"{number}\n" for number in range(50_000))
    assert sbx.run("exec", "web", "cat", stdin=many).stdout == many
    assert sbx.run("exec", "web", "wc", "-c", stdin="").stdout.strip() == "0"


def test_exec_with_another_variable_directory_and_user(sbx: Sbx) -> None:
    web(sbx)
    (sbx.project / "sub/deeper").mkdir()
    sbx.env["MINE"] = "from here"
    shown = sbx.run(
        "exec", "-e", "OF_WEB=other", "-e", "MINE", "-w", "deeper", "web", "sh", "-c", "echo $OF_WEB $MINE; pwd"
    )
    assert shown.stdout == f"other from here\n{sbx.project}/sub/deeper\n"
    assert sbx.run("exec", "-w", "/", "web", "pwd").stdout == "/\n"
    assert "KEY=VALUE" in refused(sbx, "exec", "-e", "=x", "web", "true")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_exec_as_another_user(sbx: Sbx) -> None:
    web(sbx)
    assert sbx.run("exec", "-w", "/", "--user", "1234:5678", "web", "sh", "-c", "id -u; id -g").stdout == "1234\n5678\n"
    assert "nobody-by-this-name" in refused(sbx, "exec", "-u", "nobody-by-this-name", "web", "true", code=3)


def test_options_of_the_command_are_the_commands(sbx: Sbx) -> None:
    web(sbx)
    assert sbx.run("exec", "web", "echo", "+", "-e", "--help", "-w").stdout == "+ -e --help -w\n"


@pytest.mark.parametrize("arguments", [("exec", "--rm", "web", "true"), ("run", "-x", "web")])
def test_an_unknown_option_before_the_name_is_refused(sbx: Sbx, arguments: tuple[str, ...]) -> None:
    sbx.write(WEB)
    assert f"no option `{arguments[1]}`" in refused(sbx, *arguments)
    assert rows(sbx)["web"]["pid"] is None


def test_a_command_in_the_background_is_listed_with_its_process(sbx: Sbx) -> None:
    web(sbx)
    pid = sbx.run("run", "-d", "web", "sleep", "1000").stdout.strip()
    listed = [line.split() for line in sbx.run("ps").stdout.splitlines()]
    assert ["(web)", "one-off", pid, "sleep", "1000"] in listed


def test_down_ends_what_run_and_exec_have_started_and_tells_who_waits(sbx: Sbx) -> None:
    web(sbx)
    pid = int(sbx.run("run", "-d", "web", "sleep", "1000").stdout)
    calm = "trap 'echo calm; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    piped = sbx.start("run", "web", "sh", "-c", calm)
    shown = sbx.start("exec", "web", "sh", "-c", "echo up; exec sleep 1000", terminal=True)
    for running in (piped, shown):
        running.wait_for("up")
    said = sbx.run("down").stderr
    assert "stopped the one-off command `sleep 1000`" in said
    assert "web stopped\n" in said
    assert "1 stopped, 3 one-off commands too" in said
    assert "left alone" not in said
    assert not alive(pid)
    result = piped.wait()
    assert (result.code, result.stdout) == (0, "up\ncalm\n")
    assert "the command was stopped: the project was taken down" in result.stderr
    assert shown.wait().code == 1
    assert "the command was stopped: the project was taken down" in shown.out.text
    web_again = sbx.run("run", "-d", "--no-deps", "web", "sleep", "1000").stdout.strip()
    assert "1 one-off command stopped" in sbx.run("down").stderr
    assert not alive(int(web_again))


def test_stop_and_down_of_names_leave_one_off_commands_alone(sbx: Sbx) -> None:
    web(sbx)
    pid = int(sbx.run("run", "-d", "web", "sleep", "1000").stdout)
    sbx.run("stop")
    sbx.run("down", "web")
    assert alive(pid)
    sbx.run("down")
    assert not alive(pid)


@pytest.mark.parametrize("command", ["run", "exec"])
def test_an_option_behind_the_name_is_refused(sbx: Sbx, command: str) -> None:
    sbx.write(WEB)
    assert "options stand before the name" in refused(sbx, command, "web", "--no-deps")
    assert rows(sbx)["web"]["pid"] is None


def test_a_variable_whose_name_cannot_be_one_is_refused(sbx: Sbx) -> None:
    web(sbx)
    for pair in ("A B=1", "=1", " A"):
        assert "invalid variable name" in refused(sbx, "exec", "-e", pair, "web", "true")


def test_a_separator_behind_the_name_is_ignored(sbx: Sbx) -> None:
    web(sbx)
    assert sbx.run("exec", "web", "--", "echo", "--", "-e").stdout == "-- -e\n"
    assert sbx.run("run", "--rm", "web", "--", "echo", "once").stdout == "once\n"
    assert "exec web COMMAND" in refused(sbx, "exec", "web", "--")


def test_what_cannot_be_started_ends_as_in_a_shell(sbx: Sbx) -> None:
    web(sbx)
    (sbx.project / "sub" / "plain").write_text("not a program")
    for flags in ((), ("-t",)):
        assert refused(sbx, "exec", *flags, "web", "no-such", code=127) == "error: command not found: no-such\n"
        assert "not executable" in refused(sbx, "exec", *flags, "web", "./plain", code=126)
    assert "no such directory" in refused(sbx, "run", "-w", "gone", "web", "true", code=126)


def test_exec_works_beside_a_process_that_is_not_running(sbx: Sbx) -> None:
    web(sbx)
    sbx.run("stop", "web")
    assert sbx.run("exec", "web", "echo", "hi").stdout == "hi\n"


def test_exec_leaves_no_trace_in_ps_and_logs(sbx: Sbx) -> None:
    web(sbx)
    sbx.run("exec", "web", "echo", "not a line of web")
    assert set(rows(sbx)) == {"web"}
    assert sbx.run("logs").stdout == ""


def test_exec_ends_what_the_command_leaves_behind(sbx: Sbx) -> None:
    web(sbx)
    left = sbx.run("exec", "web", "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
    assert not alive(int(left.stdout))


def test_exec_detached_prints_the_pid(sbx: Sbx) -> None:
    web(sbx)
    Gate(sbx)
    pid = int(sbx.run("exec", "-d", "-w", str(sbx.project), "web", "sh", "-c", "read _ <> gate").stdout)
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("terminal", [False, True], ids=["pipes", "terminal"])
def test_ctrl_c_goes_to_the_command_and_a_second_one_kills_it(sbx: Sbx, terminal: bool) -> None:
    """Of one with plain streams; on a terminal of its own (test_cli_terminal.py) Ctrl-C is a key like any other."""
    web(sbx)
    polite = "trap 'echo got INT; exit 5' INT; echo ready; while :; do sleep 0.01; done"
    with sbx.start("exec", "-T", "web", "sh", "-c", polite, terminal=terminal) as one:
        one.wait_for("ready")
        one.interrupt()
        done = one.wait()
        assert done.code == 5
        assert "got INT" in done.stdout
    deaf = "trap 'echo not now; heard=1' INT; echo ready; while :; do sleep 0.05; echo ${heard:+go on}; done"
    with sbx.start("exec", "-T", "web", "sh", "-c", deaf, terminal=terminal) as two:
        two.wait_for("ready")
        two.interrupt()
        two.wait_for("go on", count=4)
        two.interrupt()
        assert two.wait().code == 137


def test_the_signal_that_we_get_goes_to_the_command(sbx: Sbx) -> None:
    web(sbx)
    polite = "trap 'echo got TERM; exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    with sbx.start("exec", "-T", "web", "sh", "-c", polite) as running:
        running.wait_for("ready")
        running.signal(signal.SIGTERM)
        done = running.wait()
        assert done.code == 5
        assert "got TERM" in done.stdout


def test_exec_into_what_does_not_exist(sbx: Sbx) -> None:
    sbx.write(WEB)
    assert "`sbxcompose up` creates it" in refused(sbx, "exec", "web", "true")
    assert "no process named `wbe`" in refused(sbx, "exec", "wbe", "true")
    assert "COMMAND" in refused(sbx, "exec", "web")
    (sbx.project / "sub").mkdir()
    sbx.run("up", "-d")
    assert "no-such-command" in refused(sbx, "exec", "web", "no-such-command", code=127)


def test_run_brings_up_what_is_needed_and_runs_the_process_once(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  db: {{command: "read _ < gate; echo up; {FOREVER}", ready_when: {{log: up}}}}
  test: {{command: "echo testing; exit 3", restart: never, depends_on: [db], profiles: [ci]}}
  other: {{command: {FOREVER}}}
""")
    with sbx.start("run", "test") as run:
        run.wait_for("db started")
        gate.open()
        done = run.wait()
    assert done.code == 3
    assert done.stdout == "testing\n"
    assert set(pids(sbx)) == {"db"}
    before = pids(sbx)
    sbx.run("run", "test", code=3)
    assert pids(sbx) == before


def test_a_command_of_another_terminal_outlives_the_ctrl_c_of_up(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    with sbx.start("up") as up:
        up.wait_for("web started")
        left = int(sbx.run("run", "-d", "web", "sleep", "1000").stdout)
        with sbx.start("exec", "web", "sh", "-c", "echo here; exec cat") as shell:
            shell.wait_for("here")
            up.interrupt()
            assert up.wait().code == 130
            assert not alive(left)
            assert pids(sbx) == {}
            shell.press("still here\n")
            shell.wait_for("still here")
            assert shell.process.stdin
            shell.process.stdin.close()
            assert shell.wait().code == 0


def test_run_with_another_command(sbx: Sbx) -> None:
    sbx.write(WEB)
    (sbx.project / "sub").mkdir()
    assert sbx.run("run", "web", "sh", "-c", "echo $OF_WEB; cat", stdin="input").stdout == "yes indeed\ninput"
    assert pids(sbx) == {}
    assert sbx.run("run", "-e", "OF_WEB=no", "web", "sh", "-c", "echo $OF_WEB").stdout == "no\n"


def test_run_without_needs(sbx: Sbx) -> None:
    sbx.write(f"processes: {{db: {{command: {FOREVER}}}, test: {{command: echo hi, depends_on: [db]}}}}\n")
    assert sbx.run("run", "--no-deps", "test").stdout == "hi\n"
    assert pids(sbx) == {}


def failed_need(sbx: Sbx) -> str:
    """What `run` says when a one-shot that is needed fails."""
    sbx.write("""
processes:
  db: {command: "echo no disk >&2; exit 1", restart: never}
  test: {command: "echo testing", depends_on: {db: completed}}
""")
    return refused(sbx, "run", "test", code=1)


def test_run_does_not_run_it_when_a_need_fails(sbx: Sbx) -> None:
    said = failed_need(sbx)
    assert "db exited with code 1" in said
    assert "testing" not in said


def test_run_shows_the_last_lines_of_a_need_that_fails_and_what_that_means(sbx: Sbx) -> None:
    said = failed_need(sbx)
    assert "no disk" in said
    assert "test was not run" in said


def test_run_begins_once_a_service_without_a_check_that_it_needs_has_lasted(sbx: Sbx) -> None:
    sbx.write("""
processes:
  db: {command: "sleep 0.1; echo no disk; exit 7", restart: never}
  cache: {command: "exec sleep 1000", depends_on: [db]}
  test: {command: "echo testing", restart: never, depends_on: [cache]}
""")
    said = refused(sbx, "run", "test", code=1)
    assert "db exited with code 7" in said
    assert "test was not run" in said


def test_run_beside_a_procfile_needs_no_process(sbx: Sbx) -> None:
    sbx.write("web: sleep 1000\n", "Procfile")
    sbx.write("A=pa$$word\nB=file\n", ".env")
    sbx.env["B"] = "caller"
    assert sbx.run("run", "sh", "-c", "echo $A $B; cat", stdin="in").stdout == "pa$$word caller\nin"
    assert sbx.run("run", "sh", "-c", "exit 7", code=7).stderr == ""
    assert sbx.run("run", "web", "echo", "web").stdout == "web\n"
    said = refused(sbx, "run", "wbe", code=127)
    assert "command not found: wbe" in said
    assert "did you mean the process `web`?" in said


def test_run_beside_a_file_of_ours_needs_a_process(sbx: Sbx) -> None:
    sbx.write(WEB)
    assert "no process named `sh`" in refused(sbx, "run", "sh", "-c", "true")
