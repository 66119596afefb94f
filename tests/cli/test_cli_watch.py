"""Watching: a saved file gets the right process a new run at once; a saved `sbxcompose.yaml` is applied."""

from __future__ import annotations

import os
import re
import shutil
import signal
import termios

import pytest

from tests.cli.looking import FOREVER, Gate, alive, order_of, pids, refused, rows, runs, same
from tests.support.command import Running, Sbx

SITE = f"""
processes:
  web: {{command: "cat site/page; {FOREVER}", watch: [site]}}
  db: {{command: "echo db is up; {FOREVER}"}}
"""


def save(sbx: Sbx, text: str, name: str = "site/page") -> None:
    """Save as editors do: a complete new file takes the old one's name."""
    sbx.write(text, name + ".new")
    (sbx.project / (name + ".new")).rename(sbx.project / name)


def watching(sbx: Sbx, spec: str = SITE, *arguments: str, terminal: bool = False) -> Running:
    """An `up --watch` that has begun to watch."""
    sbx.write(spec)
    up = sbx.start("up", "--watch", *arguments, terminal=terminal)
    up.wait_for(r"\* watching ")
    return up


@pytest.mark.cold
def test_a_saved_file_gives_its_process_a_new_run_and_no_other(sbx: Sbx) -> None:
    sbx.write("one\n", "site/page")
    up = watching(sbx)
    up.wait_for(r"web \| one")
    up.wait_for("db is up")
    before = pids(sbx)
    save(sbx, "two\n")
    shown = up.wait_for(r"web \| two")
    order_of(
        shown, "* watching site and the project's file", "* web is restarting (run 2): site/page changed", "web | two"
    )
    save(sbx, "three\n")
    up.wait_for(r"web \| three")
    assert same(before, pids(sbx)) == {"db"}
    assert runs(sbx) == {"web": 3, "db": 1}
    up.interrupt()
    assert up.wait().code == 130
    assert not pids(sbx)


def test_ten_quick_saves_are_not_a_loop(sbx: Sbx) -> None:
    sbx.write("0\n", "site/page")
    up = watching(sbx)
    up.wait_for(r"web \| 0")
    for number in range(1, 11):
        save(sbx, f"{number}\n")
        up.wait_for(rf"web \| {number}\n")
    assert "itself" not in up.everything


def test_quick_saves_are_not_a_loop_even_if_each_run_writes_something_of_its_own(sbx: Sbx) -> None:
    sbx.write("0\n", "site/page")
    command = f"date > mine; date >> mine; cat site/page; {FOREVER}"
    up = watching(sbx, f'processes: {{web: {{command: "{command}", watch: [site]}}}}')
    for number in range(10):
        up.wait_for(rf"web \| {number}\n")
        save(sbx, f"{number + 1}\n")
    up.wait_for(r"web \| 10\n")
    assert "itself" not in up.everything


LOOP = f"""
processes:
  web:
    command: "echo run; date +%N%N%N%N%N%N > out/made; {FOREVER}"
    watch: [out]
  other: {{command: "cat out/note; {FOREVER}", watch: [{{path: out, ignore: [made]}}]}}
"""


@pytest.mark.time_limit(180)
def test_a_process_that_writes_what_it_is_restarted_for_is_named_and_slowed_down(sbx: Sbx) -> None:
    sbx.write("-\n", "out/note")
    up = watching(sbx, LOOP)
    shown = up.wait_for(r"next restart in 2s")
    assert re.search(
        r"web seems to write out/made itself, since that changes ([\d.]+s|right) after each start: next .* 1s", shown
    )
    save(sbx, "by a person\n", "out/note")
    up.wait_for(r"other \| by a person")  # who waits holds nobody else up, and is itself restarted at once
    up.wait_for(r"web is restarting \(run \d+\): .*out/note")


@pytest.mark.time_limit(180)
def test_a_process_that_keeps_a_watched_file_open_is_named_too(sbx: Sbx) -> None:
    command = f"exec 3>>out/log; echo x >&3; sh -c 'echo once >> out/log'; echo ready; {FOREVER}"
    sbx.write("", "out/log")
    up = watching(sbx, f'processes: {{web: {{command: "{command}", watch: [out]}}}}')
    assert "web seems to write out/log itself" in up.wait_for("next restart in 1s")


def test_several_processes_of_one_batch_restart_in_the_order_of_their_needs(sbx: Sbx) -> None:
    sbx.write("1\n", "src/code")
    spec = f"""
processes:
  web: {{command: "echo web $(cat src/code); {FOREVER}", depends_on: [db], watch: [src]}}
  idle: {{command: "echo idle; {FOREVER}", depends_on: [db]}}
  after: {{command: "echo after; {FOREVER}", depends_on: {{db: {{restart: true}}}}}}
  db: {{command: "echo db $(cat src/code); {FOREVER}", ready_when: {{log: db}}, watch: [src]}}
"""
    up = watching(sbx, spec)
    up.wait_for("web 1")
    up.wait_for(r"\| idle")
    up.wait_for(r"\| after")
    save(sbx, "2\n", "src/code")
    shown = up.wait_for("web 2")
    up.wait_for(r"\| after", count=2)
    order_of(shown, "db    | db 2", "web   | web 2")
    assert runs(sbx) == {"web": 2, "db": 2, "after": 2, "idle": 1}


def test_a_crashed_process_starts_with_the_next_save_without_waiting_for_its_backoff(sbx: Sbx) -> None:
    sbx.write("exit 3\n", "app.sh")
    spec = "processes: {web: {command: [sh, app.sh], restart: {initial_backoff: 1h, max_backoff: 1h}, watch: [app.sh]}}"
    up = watching(sbx, spec)
    up.wait_for("restarts in 3600")
    save(sbx, f"echo fixed; {FOREVER}\n", "app.sh")
    up.wait_for(r"web \| fixed")


def test_one_that_has_ended_for_good_is_waited_for(sbx: Sbx) -> None:
    sbx.write("exit 3\n", "app.sh")
    up = watching(sbx, "processes: {web: {command: [sh, app.sh], restart: never, watch: [app.sh]}}")
    up.wait_for("all processes have exited; waiting for file changes")
    save(sbx, f"echo fixed; {FOREVER}\n", "app.sh")
    up.wait_for(r"web \| fixed")


def test_what_was_held_up_by_a_failure_continues_once_that_is_fixed(sbx: Sbx) -> None:
    sbx.write("exit 3\n", "migrate.sh")
    spec = f"""
processes:
  migrate: {{command: [sh, migrate.sh], restart: never, watch: [migrate.sh]}}
  web: {{command: "echo at your service; {FOREVER}", depends_on: {{migrate: completed}}}}
"""
    up = watching(sbx, spec)
    up.wait_for("held up by migrate")
    save(sbx, "exit 0\n", "migrate.sh")
    up.wait_for(r"web     \| at your service")


def test_a_save_while_the_old_run_is_still_being_stopped_causes_no_second_restart(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write("1\n", "site/page")
    command = "trap 'read _ < gate; exit 0' TERM; cat site/page; while :; do sleep 0.01; done"
    up = watching(sbx, f'processes: {{web: {{command: "{command}", watch: [site]}}}}')
    up.wait_for(r"web \| 1")
    save(sbx, "2\n")
    up.wait_for(r"web is restarting \(run 2\)")
    save(sbx, "3\n")
    up.wait_for(r"web is restarting, also because site/page changed")
    gate.open()
    up.wait_for(r"web \| 3")
    assert runs(sbx) == {"web": 2}
    up.interrupt()
    gate.open()
    up.wait()


def test_a_save_interrupts_the_waiting_for_a_run_that_does_not_get_ready(sbx: Sbx) -> None:
    sbx.write("bad\n", "src/code")
    spec = f"""
processes:
  db: {{command: "cat src/code; {FOREVER}", ready_when: {{log: good}}, watch: [src]}}
  web: {{command: "echo at your service; {FOREVER}", depends_on: [db]}}
"""
    up = watching(sbx, spec)
    up.wait_for(r"db  \| bad")
    save(sbx, "good\n", "src/code")
    up.wait_for(r"web \| at your service")
    assert runs(sbx) == {"db": 2, "web": 1}


ACTIONS = f"""
processes:
  hup:
    command: "trap 'echo got it' HUP; echo waits; while :; do sleep 0.01; done"
    watch: [{{path: conf, signal: HUP}}]
  built:
    command: "cat build/out; {FOREVER}"
    watch: [{{path: src, run: "echo building; cp src/in build/out"}}]
  copied: {{command: "{FOREVER}", watch: [{{path: static, action: sync}}]}}
"""


def test_a_change_sends_a_signal_or_runs_a_command_first_or_only_copies(sbx: Sbx) -> None:
    for name in ("conf/a", "src/in", "build/out", "static/a"):
        sbx.write("1\n", name)
    up = watching(sbx, ACTIONS)
    up.wait_for(r"hup    \| waits")
    up.wait_for(r"built  \| 1")
    save(sbx, "2\n", "conf/a")
    order_of(up.wait_for("got it"), "hup receives SIGHUP: conf/a changed", "hup    | got it")
    save(sbx, "2\n", "src/in")
    order_of(up.wait_for(r"built  \| 2"), "built runs `echo building", "built building", "built is restarting (run 2)")
    save(sbx, "2\n", "static/a")
    up.wait_for("`sync` has nothing to copy here")
    (sbx.project / "build").rename(sbx.project / "gone")
    save(sbx, "3\n", "src/in")
    up.wait_for("built not restarted: .* exited with code 1")
    assert runs(sbx) == {"hup": 1, "built": 2, "copied": 1}


def test_the_command_of_a_rule_is_no_one_off_command_of_a_person(sbx: Sbx) -> None:
    sbx.write("1\n", "src/in")
    Gate(sbx)
    rule = 'watch: [{path: src, run: "echo building; read _ < gate"}]'
    up = watching(sbx, f"processes: {{built: {{command: {FOREVER}, {rule}}}}}\n")
    save(sbx, "2\n", "src/in")
    up.wait_for("building$")
    assert "one-off" not in sbx.run("ps").stdout
    assert "one-off" not in sbx.run("down").stderr


def test_a_process_that_was_stopped_on_request_stays_stopped(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    up = watching(sbx)
    up.wait_for(r"web \| 1")
    sbx.run("stop", "web")
    up.wait_for("web stopped")
    save(sbx, "2\n")
    up.wait_for("site/page changed, but web was stopped: `sbxcompose start web` starts it")


def test_an_edit_of_the_file_is_applied_and_touches_nothing_else(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    up = watching(sbx)
    up.wait_for(r"web \| 1")
    up.wait_for("db is up")
    before = pids(sbx)
    more = SITE.replace("db is up", "db is new") + f'  extra: {{command: "echo hello; {FOREVER}"}}\n'
    save(sbx, more, "sbxcompose.yaml")
    up.wait_for(r"extra \| hello")
    up.wait_for("db is new")
    assert same(before, pids(sbx)) == {"web"}
    save(sbx, SITE.replace("db is up", "db is new").replace("watch: [site]", "watch: [other]"), "sbxcompose.yaml")
    up.wait_for("extra stopped")
    up.wait_for(r"\* watching other ")
    save(sbx, "2\n")
    sbx.write("x", "other/file")
    up.wait_for(r"web is restarting \(run 2\): other/file changed")
    assert rows(sbx)["extra"]["status"] == "stopped, orphan"


def test_a_mistake_in_the_file_is_shown_with_its_place_and_all_continues(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    up = watching(sbx)
    up.wait_for(r"web \| 1")
    up.wait_for("db is up")
    before = pids(sbx)
    save(sbx, SITE.replace("command", "comand", 1), "sbxcompose.yaml")
    up.wait_for("running processes are left unchanged")  # on standard output; the mistake itself is on standard error
    shown = up.wait_for("did you mean `command`")
    assert "sbxcompose.yaml:3:" in shown
    save(sbx, "2\n")
    up.wait_for(r"web \| 2")
    save(sbx, SITE, "sbxcompose.yaml")
    up.wait_for("the project's file is valid again; nothing has changed")
    save(sbx, SITE.replace("db is up", "db is new"), "sbxcompose.yaml")
    up.wait_for("db is new")
    assert runs(sbx) == {"web": 2, "db": 2}
    assert same(before, pids(sbx)) == set()
    save(sbx, f"name: another\n{SITE}", "sbxcompose.yaml")
    up.wait_for("the name has changed")
    save(sbx, SITE, "sbxcompose.yaml")
    up.wait_for("db is up", count=2)


@pytest.mark.parametrize(
    "name, text",
    [(".env", "WORD=new\n"), ("sbxcompose.override.yaml", "processes: {say: {env: {WORD: new}}}\n")],
)
def test_all_files_of_the_project_count_also_those_that_were_not_there(sbx: Sbx, name: str, text: str) -> None:
    command = f"echo it is $$WORD; {FOREVER}"
    up = watching(sbx, f'processes: {{say: {{command: "{command}", env: {{WORD: "${{WORD:-old}}"}}}}}}')
    up.wait_for("it is old")
    sbx.write(text, name)
    up.wait_for("it is new")


def test_a_folder_that_vanishes_and_comes_back_is_watched_on(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    up = watching(sbx)
    up.wait_for(r"web \| 1")
    shutil.rmtree(sbx.project / "site")
    up.wait_for(r"web is restarting \(run 2\)")
    up.wait_for("No such file")
    sbx.write("2\n", "site/page")
    up.wait_for(r"web \| 2")


def test_many_changes_are_summed_up(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    up = watching(sbx)
    up.wait_for(r"web \| 1")
    sbx.project.joinpath("more").mkdir()
    for number in range(1200):
        (sbx.project / "more" / str(number)).touch()
    (sbx.project / "more").rename(sbx.project / "site" / "more")
    up.wait_for(r"web is restarting \(run 2\): 1 200 files changed")


def test_watch_attaches_to_what_runs_and_leaves_it_running(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    sbx.write(SITE)
    assert "nothing has been started yet" in refused(sbx, "watch")
    sbx.run("up", "-d")
    watch = sbx.start("watch")
    watch.wait_for("watching site and the project's file")
    save(sbx, "2\n")
    watch.wait_for(r"web is restarting \(run 2\): site/page changed")
    watch.wait_for("web started")
    watch.interrupt()
    assert watch.wait().code == 130
    assert "processes keep running" in watch.everything
    assert runs(sbx) == {"web": 2, "db": 1}
    assert all(alive(pid) for pid in pids(sbx).values())


def test_watch_cannot_be_used_with_detached(sbx: Sbx) -> None:
    sbx.write(SITE)
    assert "`sbxcompose watch` watches what was started with `-d`" in refused(sbx, "up", "-d", "--watch")


def test_nothing_is_watched_unless_asked_for(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    sbx.write(SITE)
    up = sbx.start("up")
    up.wait_for(r"web \| 1")
    save(sbx, "2\n")
    sbx.run("restart", "db")
    up.wait_for("db is up", count=2)
    assert runs(sbx)["web"] == 1
    assert "watch" not in up.everything


def test_keys_switch_watching_on_and_off_and_leave_the_terminal_as_it_was(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    sbx.write(SITE)
    up = sbx.start("up", terminal=True)
    assert up._master is not None
    before = termios.tcgetattr(up._master)
    up.wait_for("press w to watch files, h for help")
    up.wait_for("m 1\r\n")
    up.press("h")
    up.wait_for(r"w: watch files \(now off\)")
    up.press("w")
    up.wait_for("watching site")
    save(sbx, "2\n")
    up.wait_for(r"web is restarting \(run 2\)")
    up.press("w")
    up.wait_for("stopped watching")
    assert not re.search(r"[wh]{2}", up.everything.replace("wh", ""))
    up.interrupt()
    up.wait_for("stopping")
    up.process.wait(60)
    assert termios.tcgetattr(up._master) == before


def test_ctrl_z_and_a_continuation_leave_the_keys_working(sbx: Sbx) -> None:
    sbx.write("1\n", "site/page")
    sbx.write(SITE)
    up = sbx.start("up", terminal=True)
    up.wait_for("press w to watch files, h for help")
    os.kill(up.process.pid, signal.SIGSTOP)
    os.kill(up.process.pid, signal.SIGCONT)
    up.press("h")
    up.wait_for(r"w: watch files \(now off\)")


def test_watch_without_names_covers_what_was_started_by_name(sbx: Sbx) -> None:
    sbx.write("one\n", "site/page")
    sbx.write(f"""
processes:
  db: {{command: "{FOREVER}"}}
  web: {{command: "cat site/page; {FOREVER}", watch: [site], autostart: false}}
""")
    sbx.run("up", "-d")
    sbx.run("start", "web")
    with sbx.start("watch") as watch:
        watch.wait_for("watching site")
        save(sbx, "two\n")
        watch.wait_for("site/page changed")
        watch.interrupt()
        watch.wait()
    sbx.run("down")
