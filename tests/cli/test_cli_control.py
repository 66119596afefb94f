"""`kill`, `stop`, `start`, `restart`: single processes, by name."""

from __future__ import annotations

import pytest

from tests.cli.looking import FOREVER, alive, order_of, pids, refused, rows, runs, same
from tests.support.command import Sbx

THREE = f"""
processes:
  db: {{command: {FOREVER}}}
  web: {{command: {FOREVER}, depends_on: [db]}}
  job: {{command: echo worked, restart: never}}
"""


def test_stop_and_start_by_name(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d", "--wait")
    before = pids(sbx)
    sbx.run("stop", "web")
    assert pids(sbx) == {"db": before["db"]}
    assert rows(sbx)["web"]["status"] == "stopped"
    assert "web" in sbx.run("ps").stdout, "a wanted process is listed though it does not run"
    sbx.run("start", "web")
    assert same(before, pids(sbx)) == {"db"}
    assert runs(sbx) == {"db": 1, "web": 2, "job": 1}


def test_a_pattern_names_processes_in_every_command(sbx: Sbx) -> None:
    sbx.write(
        f"""
        sandboxes:
          api: {{processes: {{web: {{command: {FOREVER}}}, worker: {{command: {FOREVER}}}}}}}
          ui: {{processes: {{web: {{command: {FOREVER}}}, debug: {{command: {FOREVER}, profiles: [dev]}}}}}}
        """
    )
    sbx.run("up", "-d", "--wait", "api/*")
    assert set(pids(sbx)) == {"api/web", "worker"}
    sbx.run("up", "-d", "--wait", "ui/*")
    before = pids(sbx)
    assert set(before) == {"api/web", "ui/web", "worker"}, "a pattern activates no profile where it matches others"
    assert sbx.run("ps", "-q", "*/web").stdout == "api/web\nui/web\n"
    assert "web" not in sbx.run("why", "work*").stdout
    sbx.run("restart", "api/*")
    assert same(before, pids(sbx)) == {"ui/web"}
    sbx.run("wait", "*/w*")
    sbx.run("stop", "api/*")
    assert set(pids(sbx)) == {"ui/web"}
    sbx.run("start", "w*", "--wait")
    assert set(pids(sbx)) == {"api/web", "ui/web", "worker"}
    sbx.run("scale", "ui/w*=2")
    assert set(pids(sbx)) == {"api/web", "ui/web.1", "ui/web.2", "worker"}
    sbx.run("stop", "*.2")
    assert set(pids(sbx)) == {"api/web", "ui/web", "worker"}
    sbx.run("kill", "*/web")
    sbx.run("down", "wor*")
    assert "worker" not in pids(sbx)
    for command in ("up -d", "down", "start", "stop", "restart", "kill", "ps", "stats", "logs", "why", "plan", "wait"):
        said = refused(sbx, *command.split(), "x*")
        assert said == (
            "error: no process matches `x*`\nhint: the file defines `api/web`, `debug`, `ui/web`, `worker`\n"
        )


def test_stop_without_names_stops_all_in_order_and_start_starts_all(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d")
    order_of(sbx.run("stop").stderr, "web stopped", "db stopped")
    assert pids(sbx) == {}
    order_of(sbx.run("start").stderr, "db started", "web started")
    assert set(pids(sbx)) == {"db", "web"}
    assert runs(sbx)["job"] == 1, "what has completed is not run again"


def test_stopping_a_need_leaves_its_dependents_alone(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d")
    sbx.run("stop", "db")
    assert set(pids(sbx)) == {"web"}


def test_start_leaves_what_runs_though_the_file_has_changed_and_says_so(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.write(THREE.replace(f"web: {{command: {FOREVER}", f"web: {{command: {FOREVER}, env: {{A: '1'}}"))
    said = sbx.run("start").stderr
    assert "web runs an older definition" in said
    assert pids(sbx) == before
    assert "running, outdated" in sbx.run("ps").stdout


def test_ps_shows_what_runs_and_not_what_the_file_has_become(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: [sleep, '1000']}, db: {command: exec sleep 1001}}\n")
    sbx.run("up", "-d")
    sbx.write("processes: {web: {command: [echo, '']}, db: {command: exec sleep 1002}, new: {command: [echo, '']}}\n")
    shown = sbx.run("ps").stdout.splitlines()
    assert [line.split("  ")[-1].strip() for line in shown[1:]] == ["sleep 1000", "exec sleep 1001", "echo ''"]
    assert rows(sbx)["web"]["command"] == ["sleep", "1000"]


def test_restart_gives_new_runs_and_leaves_completed_one_shots(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.run("restart", "web")
    assert same(before, pids(sbx)) == {"db"}
    sbx.run("restart")
    assert same(before, pids(sbx)) == set()
    assert runs(sbx) == {"db": 2, "web": 3, "job": 1}
    sbx.run("restart", "job")
    sbx.run("wait", "--for", "exit", "job")
    assert sbx.run("logs", "--no-log-prefix", "job").stdout == "worked\nworked\n"


def test_kill_sends_a_signal_to_the_whole_group_and_supervision_continues(sbx: Sbx) -> None:
    sbx.write("""
processes:
  web: {command: "trap 'echo got HUP' HUP; echo ready; while :; do sleep 0.01; done", restart: {initial_backoff: 1ms}}
""")
    with sbx.start("up") as up:
        up.wait_for(r"\| ready")
        before = pids(sbx)
        sbx.run("kill", "-s", "HUP", "web")
        up.wait_for("got HUP")
        assert pids(sbx) == before
        said = sbx.run("kill", "-s", "9").stderr
        assert "sent SIGKILL to web" in said
        up.wait_for(r"\| ready", count=2)  # it says itself that processes are ready
        assert not alive(before["web"])
        up.interrupt()
        up.wait()
    assert rows(sbx)["web"]["restarts"] == 1


def test_kill_of_a_process_that_is_not_running(sbx: Sbx) -> None:
    sbx.write(THREE)
    assert "none of these processes is running" in refused(sbx, "kill", "web")
    assert "invalid signal `NONSENSE`" in refused(sbx, "kill", "-s", "NONSENSE", "web")
    assert "no process named `nix`" in refused(sbx, "kill", "nix")


def test_one_replica_by_its_number(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}, replicas: 3}}}}\n")
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.run("restart", "web.2")
    assert same(before, pids(sbx)) == {"web.1", "web.3"}
    sbx.run("stop", "web.3")
    assert set(pids(sbx)) == {"web.1", "web.2"}
    assert "web.7" in refused(sbx, "stop", "web.7")


@pytest.mark.parametrize("command", ["up", "start", "restart", "plan", "wait"])
def test_an_unknown_name_is_refused_everywhere_with_what_there_is(dry: Sbx, command: str) -> None:
    dry.write(THREE)
    said = refused(dry, command, "wbe")
    assert "no process named `wbe`" in said
    assert "`web`" in said


@pytest.mark.parametrize("command", ["ps", "why", "stop", "down", "kill"])
def test_an_unknown_name_is_refused_where_orphans_have_names_too(sbx: Sbx, command: str) -> None:
    sbx.write(THREE)
    said = refused(sbx, command, "wbe")
    assert "no process named `wbe`" in said
    assert "`web`" in said


def test_a_name_in_two_sandboxes_has_to_be_distinguished(dry: Sbx) -> None:
    dry.write(f"""
sandboxes:
  one: {{processes: {{web: {{command: {FOREVER}}}}}}}
  two: {{processes: {{web: {{command: {FOREVER}}}}}}}
""")
    said = refused(dry, "stop", "web")
    assert "one/web" in said
    assert "two/web" in said


def test_down_of_one_process_leaves_the_others(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d")
    sbx.run("down", "web")
    assert set(pids(sbx)) == {"db"}
    assert "takes no process names" in refused(sbx, "down", "--terminate", "web")


def test_down_terminate_ends_the_sandbox_and_its_records(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d", "--wait")
    sbx.run("down", "--terminate")
    assert runs(sbx) == {}
    assert sbx.run("logs").stdout == ""
    sbx.run("up", "-d")
    assert runs(sbx) == {"db": 1, "web": 1, "job": 1}


def test_on_a_terminal_it_asks_before_it_terminates(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d", "--wait")
    before = pids(sbx)
    for answer in ("n\n", "\n", "\x04"):
        with sbx.start("down", "--terminate", terminal=True) as down:
            down.wait_for(r"terminate sandbox main\? Its data and logs are lost\. \[y/N\]")
            down.press(answer)
            assert down.wait().code == 1
            assert "nothing was stopped or terminated" in down.everything
    assert pids(sbx) == before
    with sbx.start("down", "--terminate", terminal=True) as down:
        down.wait_for(r"\[y/N\]")
        down.press("y\n")
        assert down.wait().code == 0
    assert runs(sbx) == {}


def test_it_asks_nothing_before_it_terminates_what_is_not_there_or_with_yes(sbx: Sbx) -> None:
    sbx.write(THREE)
    sbx.run("up", "-d", "--wait")
    for options in (["--yes"], []):
        with sbx.start("down", "--terminate", *options, terminal=True) as down:
            assert down.wait().code == 0
            assert "[y/N]" not in down.everything
    assert runs(sbx) == {}


def test_orphans_and_added_replicas_are_found_by_name(sbx: Sbx) -> None:
    names = ("one", "two", "three")
    orphans = ", ".join(f"{name}: {{command: {FOREVER}}}" for name in names)
    sbx.write(f"processes: {{web: {{command: {FOREVER}, port: 18000}}, {orphans}}}\n")
    sbx.run("up", "-d", "--scale", "web=2")
    sbx.write(f"processes: {{web: {{command: {FOREVER}, port: 18000}}}}\n")
    assert sbx.run("exec", "web.2", "sh", "-c", "echo $PORT").stdout == "18001\n"
    said = refused(sbx, "exec", "one", "true")
    assert "`one` runs but is no longer in the file" in said
    assert "sbxcompose shell main" in said
    assert "one stopped" in sbx.run("stop", "one").stderr
    assert "two stopped" in sbx.run("down", "two").stderr
    assert "sent SIGTERM to three" in sbx.run("kill", "-s", "TERM", "three").stderr
    assert "web.2 stopped" in sbx.run("stop", "web.2").stderr
    assert "web.1" in pids(sbx) or "web" in pids(sbx)


WHOLE = """
processes:
  db: {command: exec sleep 1000}
  web: {command: exec sleep 1000, replicas: 3}
"""
ON_A_REPLICA = [
    *("restart", "stop", "start", "logs", "kill", "why", "ps", "wait", "plan", "up -d", "attach", "port", "events"),
    *("down", "shell", "watch", "stats --no-stream", "run", "exec -T", "graph", "up --attach", "up --exit-code-from"),
]


@pytest.mark.parametrize("command", ON_A_REPLICA)
def test_a_replica_that_does_not_exist_is_answered_with_how_many_there_are(sbx: Sbx, command: str) -> None:
    sbx.write(WHOLE)
    more = ["true"] if command in ("run", "exec -T") else []
    said = refused(sbx, *command.split(), "web.4", *more)
    assert "no replica named `web.4`" in said
    assert "`web` has 3 replicas in the file: `web.1` to `web.3`" in said


def test_names_that_only_look_like_replicas_are_refused(sbx: Sbx) -> None:
    sbx.write(WHOLE)
    for name in ("web.0", "web.x", "web."):
        assert f"no replica named `{name}`" in refused(sbx, "stop", name)
    assert "`db` has one replica" in refused(sbx, "restart", "db.2")


def test_a_replica_is_started_restarted_and_stopped_alone(sbx: Sbx) -> None:
    sbx.write(WHOLE)
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.run("restart", "web.3")
    after = pids(sbx)
    assert same(before, after) == {"db", "web.1", "web.2"}
    sbx.run("stop", "web.2")
    assert set(pids(sbx)) == {"db", "web.1", "web.3"}
    with sbx.start("up", "web.2") as up:
        up.wait_for("web.2 started")
        up.interrupt()
        assert up.wait().code == 130
    assert same(after, pids(sbx)) == {"db", "web.1", "web.3"}
    assert "`web.3` names a replica" in refused(sbx, "scale", "web.3=2")
    assert "`web.3` names a replica" in refused(sbx, "up", "--scale", "web.3=2")
