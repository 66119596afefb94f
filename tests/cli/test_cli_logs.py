"""`logs`: what is kept and what comes, from where one asks for it, in the form one asks for."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.cli.looking import FOREVER, Gate, json_lines, lines, refused, rows, runs
from tests.support.command import COMMAND, Sbx

TEN = "i=0; while [ $$i -lt 10 ]; do echo line $$i; i=$$((i+1)); done"


def finished(sbx: Sbx, **commands: str) -> None:
    """Bring up one-shots and wait until they have ended, well or not."""
    processes = {name: {"command": command, "restart": "never"} for name, command in commands.items()}
    sbx.write(json.dumps({"processes": processes}))
    sbx.run("up", "-d", code=None)
    sbx.run("wait", "--for", "exit", code=None)


def test_prefixes_are_padded_and_the_streams_distinguished(sbx: Sbx) -> None:
    finished(sbx, web="echo out; echo err >&2", migrate="echo done")
    shown = sbx.run("logs").stdout.splitlines()
    assert sorted(shown) == ["migrate | done", "web     ! err", "web     | out"]
    assert sbx.run("logs", "--no-log-prefix", "migrate").stdout == "done\n"
    assert sbx.run("logs", "web", "migrate").stdout.count("\n") == 3
    assert "migrate" not in sbx.run("logs", "web").stdout


def test_tail(sbx: Sbx) -> None:
    finished(sbx, a=TEN, b="echo one; printf unfinished")
    assert lines(sbx.run("logs", "--tail", "3", "a")) == ["line 7", "line 8", "line 9"]
    assert lines(sbx.run("logs", "-n", "0", "a")) == []
    assert len(lines(sbx.run("logs", "-n", "all", "a"))) == 10
    assert lines(sbx.run("logs", "--tail", "99", "a")) == [f"line {number}" for number in range(10)]
    assert lines(sbx.run("logs", "--tail", "1", "b")) == ["unfinished"]
    both = sbx.run("logs", "--tail", "1").stdout
    assert sorted(both.splitlines()) == ["a | line 9", "b | unfinished"]


@pytest.mark.cold
def test_processes_and_lines_are_chosen_by_patterns(sbx: Sbx) -> None:
    finished(sbx, web="echo GET 200; echo get 500", worker="echo job 500", db="echo 500")
    assert sorted(lines(sbx.run("logs", "w*"))) == ["GET 200", "get 500", "job 500"]
    assert sorted(lines(sbx.run("logs", "--exclude", "w*"))) == ["500"]
    assert sorted(lines(sbx.run("logs", "-x", "db", "--grep", "5..$"))) == ["get 500", "job 500"]
    assert lines(sbx.run("logs", "web", "-i", "-g", "^GET 5")) == ["get 500"]
    assert json_lines(sbx.run("logs", "web", "-v", "-g", "500", "--json").stdout)[0]["line"] == "GET 200"
    assert lines(sbx.run("logs", "--until", "1h")) == []
    assert len(lines(sbx.run("logs", "--since", "1h", "--until", "0s"))) == 4
    assert "no process matches `x*`" in refused(sbx, "logs", "x*")
    assert "invalid regular expression `(`" in refused(sbx, "logs", "--grep", "(")
    assert "`--invert-match` needs `--grep`" in refused(sbx, "logs", "-v")
    assert "`--until` is before `--since`" in refused(sbx, "logs", "--since", "1h", "--until", "2h")


def test_tail_counts_the_lines_of_both_streams_together(sbx: Sbx) -> None:
    finished(sbx, a="echo 1; echo 2 >&2; echo 3; echo 4 >&2")
    assert len(lines(sbx.run("logs", "--tail", "3"))) == 3


def test_since_a_moment(sbx: Sbx) -> None:
    """Between its lines passes more time than times are told apart, from when the first one is in the log."""
    gate = Gate(sbx)
    sbx.write(f"processes: {{a: {{command: 'echo early; read _ < gate; sleep 0.05; echo late; {FOREVER}'}}}}\n")
    sbx.run("up", "-d")
    with sbx.start("logs", "-f") as logs:
        logs.wait_for("early")
        gate.open()
        logs.wait_for("late")
    early, late = json_lines(sbx.run("logs", "--json").stdout)
    assert (early["line"], late["line"]) == ("early", "late")
    assert lines(sbx.run("logs", "--since", late["time"])) == ["late"]
    assert lines(sbx.run("logs", "--since", "1h")) == ["early", "late"]
    assert lines(sbx.run("logs", "--since", late["time"], "--tail", "5")) == ["late"]
    assert lines(sbx.run("logs", "--since", "1h", "--tail", "1")) == ["late"]
    assert lines(sbx.run("logs", "--since", "2099-01-01T00:00:00")) == []


def test_runs_are_numbered_and_each_can_be_asked_for(sbx: Sbx) -> None:
    sbx.write("""
processes:
  web:
    command: "echo x >> count; n=$$(wc -l < count); echo this is $$n; echo bad $$n >&2; test $$n = 3"
    restart: {initial_backoff: 1ms}
""")
    sbx.run("up", "-d")
    sbx.run("wait", "--for", "exit")
    assert rows(sbx)["web"]["restarts"] == 2
    assert runs(sbx) == {"web": 3}
    assert sorted(lines(sbx.run("logs", "--run", "2"))) == ["bad 2", "this is 2"]
    assert "this is 1" in sbx.run("logs", "--run", "1").stdout
    numbered = sbx.run("logs", "--run-numbers").stdout
    assert re.search(r"^web#1 \| this is 1$", numbered, re.MULTILINE)
    assert re.search(r"^web#3 ! bad 3$", numbered, re.MULTILINE)
    said = [(line["run"], line["line"]) for line in json_lines(sbx.run("logs", "--json").stdout)]
    assert {(1, "this is 1"), (2, "this is 2"), (3, "this is 3")} <= set(said)
    later = sbx.run("logs", "--run", "9")
    assert later.stdout == ""
    assert "no process has had run 9" in later.stderr
    named = sbx.run("logs", "web", "--run", "9")
    assert "web has had no run 9: its latest is run 3" in named.stderr


def test_what_has_not_been_started_is_named(sbx: Sbx) -> None:
    sbx.write(
        f"processes: {{web: {{command: {FOREVER}}}, late: {{command: x, autostart: false, replicas: 2}}, "
        "later: {command: x, autostart: false}}"
    )
    assert sbx.run("logs").stderr == sbx.run("logs", "web").stderr == "note: nothing has been started yet\n"
    assert sbx.run("kill").stderr == "no processes are running\n"
    sbx.run("up", "-d")
    assert sbx.run("logs").stderr == sbx.run("logs", "*").stderr == sbx.run("logs", "web").stderr == ""
    two = "note: late.1 and late.2 have no output: not started yet\n"
    assert sbx.run("logs", "late", "web").stderr == two
    assert sbx.run("logs", "late", "--run", "9").stderr == two
    assert sbx.run("logs", "late.2").stderr == "note: late.2 has no output: not started yet\n"
    assert sbx.run("logs", "late*").stderr == "note: late.1, late.2 and later have no output: not started yet\n"


def test_stats_say_once_that_nothing_is_running(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, late: {{command: {FOREVER}, autostart: false}}}}")
    sbx.run("up", "-d")
    with sbx.start("stats", "late") as running:
        running.wait_for("no processes are running")
        sbx.run("start", "late")
        said = running.wait_for("late .*%")
        assert said.count("no processes are running") == 1
        running.interrupt()
        assert running.wait().code == 0


def test_timestamps(sbx: Sbx) -> None:
    finished(sbx, a="echo hello")
    assert re.fullmatch(r"a \| \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z hello\n", sbx.run("logs", "-t").stdout)


def test_json(sbx: Sbx) -> None:
    finished(sbx, a=r"""printf "quote \" tab\tback\\\\slash\n"; echo err >&2""")
    said = {line["stream"]: line for line in json_lines(sbx.run("logs", "--json").stdout)}
    assert said["stdout"]["line"] == 'quote " tab\tback\\slash'
    assert said["stderr"]["line"] == "err"
    assert {key: said["stderr"][key] for key in ("sandbox", "process", "replica", "run")} == {
        "sandbox": "main",
        "process": "a",
        "replica": 1,
        "run": 1,
    }


def test_follow_continues_across_a_restart_and_over_new_processes(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(
        "processes: {web: {command: 'echo begun; read _ < gate; echo over; exit 1', restart: {initial_backoff: 1ms}}}\n"
    )
    sbx.run("up", "-d")
    with sbx.start("logs", "-f") as logs:
        logs.wait_for("begun")
        gate.open()
        logs.wait_for("begun", count=2)
        gate.open()
        seen = logs.wait_for("begun", count=3)
        assert [line for line in seen.splitlines() if " | " in line] == [
            "web | begun", "web | over", "web | begun", "web | over", "web | begun",
        ]  # fmt: skip
        logs.interrupt()
        assert logs.wait().code == 130


def test_follow_with_a_tail_begins_there(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(
        f"processes: {{web: {{command: '{TEN}; read _ < gate; echo more; {FOREVER}', ready_when: {{log: line 9}}}}}}\n"
    )
    sbx.run("up", "--wait")
    with sbx.start("logs", "-f", "-n", "2", "--no-log-prefix") as logs:
        logs.wait_for("line 9")
        gate.open()
        logs.wait_for("more")
        assert logs.out.text == "line 8\nline 9\nmore\n"


def test_follow_shows_the_end_of_a_line_once_it_is_there(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  web: {{command: "printf 'first '; echo other >&2; read _ < gate; echo half; {FOREVER}", ready_when: {{log: other}}}}
""")
    sbx.run("up", "--wait")
    with sbx.start("logs", "-f") as logs:
        logs.wait_for("web ! other")
        gate.open()
        logs.wait_for(r"web \| first half")


def test_follow_shows_what_is_started_only_later(sbx: Sbx) -> None:
    sbx.write(
        f"processes: {{web: {{command: 'echo hello; {FOREVER}'}}, later: {{command: 'echo at last; {FOREVER}'}}}}\n"
    )
    sbx.run("up", "-d", "web")
    with sbx.start("logs", "-f") as logs:
        logs.wait_for("hello")
        sbx.run("up", "-d")
        logs.wait_for(r"later \| at last")


def test_logs_are_merged_in_the_order_of_time_over_processes(sbx: Sbx) -> None:
    """Each line is written once the one before it is in the log, and longer after it than times are told apart."""
    sbx.write("""
processes:
  a: {command: "for i in 1 2 3; do read _ < there; sleep 0.03; echo ping $$i; done", restart: never}
  b: {command: "for i in 1 2 3; do read _ < back; sleep 0.03; echo pong $$i; done", restart: never}
""")
    there, back = Gate(sbx, "there"), Gate(sbx, "back")
    sbx.run("up", "-d")
    with sbx.start("logs", "-f") as logs:
        for number in (1, 2, 3):
            there.open()
            logs.wait_for(f"ping {number}")
            back.open()
            logs.wait_for(f"pong {number}")
    sbx.run("wait", "--for", "exit")
    assert lines(sbx.run("logs")) == ["ping 1", "pong 1", "ping 2", "pong 2", "ping 3", "pong 3"]


def test_logs_outlive_down_and_a_change_of_the_file(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: 'echo one; {FOREVER}', ready_when: {{log: one}}}}}}\n")
    sbx.run("up", "--wait")
    sbx.write(f"processes: {{web: {{command: 'echo two; {FOREVER}', ready_when: {{log: two}}}}}}\n")
    sbx.run("up", "--wait")
    sbx.run("down")
    assert lines(sbx.run("logs")) == ["two"]
    assert lines(sbx.run("logs", "--all")) == ["one", "two"]
    assert lines(sbx.run("logs", "--run", "1")) == ["one"]
    assert lines(sbx.run("logs", "--since", "1h")) == ["one", "two"]
    sbx.write("processes: {other: {command: 'true'}}\n")  # now an orphan without a process
    assert sbx.run("logs", "web").stdout == "web | two\n"
    assert sbx.run("logs", "-a", "web").stdout == "web | one\nweb | two\n"


def test_a_closed_pipe_ends_logs_quietly(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'while :; do echo line || exit; done'}}\n")
    sbx.run("up", "-d")
    for arguments in (["logs", "-f"], ["logs"]):
        with subprocess.Popen(
            [COMMAND, *arguments], cwd=sbx.project, env=sbx.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as logs:
            assert logs.stdout
            assert logs.stderr
            assert logs.stdout.readline() == b"web | line\n"
            logs.stdout.close()
            assert logs.wait(60) == 141
            assert logs.stderr.read() == b""


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--tail", "many"], "--tail"),
        (["--tail", "-1"], "--tail"),
        (["--since", "yesterday"], "--since"),
        (["--run", "0"], "--run"),
        (["--run", "1", "--tail", "2"], "cannot be used together"),
    ],
)
def test_invalid_options_are_refused(dry: Sbx, arguments: list[str], word: str) -> None:
    dry.write("processes: {a: {command: 'true'}}\n")
    assert word in refused(dry, "logs", *arguments)


def test_logs_before_anything_was_started_are_empty(sbx: Sbx) -> None:
    sbx.write("processes: {a: {command: 'true'}}\n")
    assert sbx.run("logs").stdout == ""
    assert "no process named `nix`" in refused(sbx, "logs", "nix")


PROMPT = "printf 'Name? '; echo asked >&2; read name < gate; echo Bob; exec sleep 1000"


@pytest.mark.parametrize("arguments", [("up",), ("logs", "-f")])
def test_a_prompt_is_shown_on_a_terminal_and_its_answer_behind_it(sbx: Sbx, arguments: tuple[str, ...]) -> None:
    gate = Gate(sbx)
    sbx.write(f'processes: {{web: {{command: "{PROMPT}", ready_when: {{log: asked}}}}}}\n')
    if arguments[0] == "logs":
        sbx.run("up", "-d", "--wait")
    with sbx.start(*arguments, terminal=True) as shown:
        shown.wait_for("Name\\? ")
        gate.open()
        text = shown.wait_for("Bob")
        assert "Name? Bob" in text, "on the same line"
        assert text.count("Name?") == 1
        shown.interrupt()
        shown.wait()


def test_a_prompt_does_not_cut_a_line_in_two_in_a_pipe(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f'processes: {{web: {{command: "{PROMPT}", ready_when: {{log: asked}}}}}}\n')
    sbx.run("up", "-d", "--wait")
    with sbx.start("logs", "-f") as shown:
        shown.wait_for("asked")
        gate.open()
        assert "web | Name? Bob\n" in shown.wait_for("Bob")


@pytest.mark.parametrize("terminal", [False, True])
def test_of_a_progress_bar_the_final_state_is_kept(sbx: Sbx, terminal: bool) -> None:
    finished(sbx, a="printf '10%%\\r50%%\\r\\033[K100%% done\\nnext\\n'")
    for arguments in (["logs", "--no-log-prefix"], ["logs", "--no-log-prefix", "--tail", "2"]):
        with sbx.start(*arguments, terminal=terminal) as logs:
            assert logs.wait().stdout.replace("\r\n", "\n") == "100% done\nnext\n"


def test_each_state_of_a_progress_bar_is_shown_in_place(sbx: Sbx) -> None:
    gate = Gate(sbx)
    command = (
        "printf '10%%\\\\r'; read _ < gate; printf '\\\\r90%%'; read _ < gate; printf '\\\\rdone\\\\n'; sleep 1000"
    )
    sbx.write(f'processes: {{web: {{command: "{command}"}}}}\n')
    with sbx.start("up", terminal=True) as up:
        up.wait_for("10%")
        gate.open()
        up.wait_for("90%")
        gate.open()
        text = up.wait_for("done")
        assert "10%\n" not in text.replace("\r\n", "\n")
        assert "90%\n" not in text.replace("\r\n", "\n")
        up.interrupt()
        up.wait()


COUNTED = "echo x >> {name}; echo {name} $$(wc -l < {name}); exec sleep 1000"


def counted(*names: str, **env: str) -> str:
    """Processes that say how often they have been run, and are ready then."""
    given = "".join(f", env: {{{key}: '{value}'}}" for key, value in env.items())
    return "processes:\n" + "".join(
        f'  {name}: {{command: "{COUNTED.format(name=name)}", ready_when: {{log: {name}}}{given}}}\n' for name in names
    )


def test_logs_begin_with_the_last_up(sbx: Sbx) -> None:
    sbx.write(counted("db", "web"))
    sbx.run("up", "--wait")
    sbx.run("down")
    sbx.run("up", "--wait")
    assert sorted(lines(sbx.run("logs"))) == ["db 2", "web 2"]
    sbx.run("restart", "web")
    sbx.run("wait")
    assert sorted(lines(sbx.run("logs"))) == ["db 2", "web 2", "web 3"], "a restart belongs to the same up"
    sbx.run("up", "--wait")
    assert len(lines(sbx.run("logs"))) == 3, "what an up leaves alone it does not hide"
    sbx.run("up", "--wait", "--force-recreate", "web")
    assert sorted(lines(sbx.run("logs"))) == ["db 2", "web 4"]
    assert lines(sbx.run("logs", "--tail", "5", "web")) == ["web 4"]
    assert lines(sbx.run("logs", "--tail", "2", "--all", "web")) == ["web 3", "web 4"]
    with sbx.start("logs", "-f", "web") as logs:
        logs.wait_for("web 4")
        sbx.run("restart", "web")
        assert "web 3" not in logs.wait_for("web 5")
    sbx.run("down")
    assert sorted(lines(sbx.run("logs"))) == ["db 2", "web 4", "web 5"], "of what has been, the last of it"


def test_what_has_not_run_since_the_project_came_up_is_reported(sbx: Sbx) -> None:
    sbx.write(counted("db", "web"))
    sbx.run("up", "--wait")
    sbx.run("down")
    sbx.run("up", "--wait", "db")
    assert lines(sbx.run("logs")) == ["db 2"]
    said = sbx.run("logs", "web")
    assert said.stdout == ""
    assert "web has not run since the last `up`; `sbxcompose logs --all web` shows older output" in said.stderr
    with sbx.start("logs", "-f", "web") as logs:
        logs.wait_for("not run")
        sbx.run("up", "-d")
        assert "web 1" not in logs.wait_for("web 2")
