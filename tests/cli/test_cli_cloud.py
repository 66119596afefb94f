"""The provider `tensorlake` where there is nothing but the contract: no extension of ours, TCP, a key."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import (
    test_cli_bad_starts,
    test_cli_control,
    test_cli_down,
    test_cli_exec_run,
    test_cli_keys,
    test_cli_logs,
    test_cli_up_attached,
    test_cli_up_changes,
    test_cli_up_detached,
    test_cli_verdicts,
    test_cli_wait,
)
from tests.cli.conftest import CloudSbx
from tests.cli.looking import FOREVER, alive, pids, refused, rows
from tests.support.command import Sbx
from tests.support.plain_cloud import KEY

THE_SAME: list[Callable[[Sbx], None]] = [
    test_cli_up_detached.test_up_starts_in_the_order_of_needs_and_down_stops_in_the_reverse,
    test_cli_up_detached.test_what_ignores_sigterm_is_killed_once_its_grace_is_over,
    test_cli_keys.test_output_goes_through_a_terminal,
    test_cli_keys.test_the_end_of_one_ends_an_attached_up_with_a_failure,
    test_cli_keys.test_a_command_stops_it_instead_of_the_signal,
    test_cli_keys.test_a_command_that_achieves_nothing_has_the_grace_and_no_more,
    test_cli_up_changes.test_start_first_stops_the_old_one_only_once_the_new_one_is_ready,
    test_cli_up_changes.test_two_ups_at_once_start_nothing_twice,
    test_cli_up_attached.test_abort_on_exit_stops_the_others,
    test_cli_up_attached.test_ctrl_c_stops_only_what_was_named,
    test_cli_up_attached.test_an_attached_up_shows_what_already_runs_and_stops_it,
    test_cli_control.test_down_terminate_ends_the_sandbox_and_its_records,
    test_cli_logs.test_tail_counts_the_lines_of_both_streams_together,
    test_cli_logs.test_since_a_moment,
    test_cli_logs.test_follow_continues_across_a_restart_and_over_new_processes,
    test_cli_logs.test_follow_shows_the_end_of_a_line_once_it_is_there,
    test_cli_logs.test_logs_are_merged_in_the_order_of_time_over_processes,
    test_cli_exec_run.test_exec_ends_what_the_command_leaves_behind,
    test_cli_exec_run.test_run_brings_up_what_is_needed_and_runs_the_process_once,
    test_cli_wait.test_a_failure_ends_the_wait_with_the_last_lines_and_with_who_is_held_up,
    test_cli_wait.test_wait_waits_for_what_another_command_has_started,
    test_cli_down.test_one_shots_run_again_after_down,
    test_cli_down.test_stop_and_start_keep_what_has_completed,
    test_cli_down.test_down_while_a_one_shot_runs,
    test_cli_verdicts.test_exit_code_from_runs_the_tests_each_time,
    test_cli_verdicts.test_abort_on_exit_does_not_fire_for_what_ended_before,
    test_cli_bad_starts.test_attached_up_names_what_cannot_be_started,
]
WEB = f"processes:\n  web: {{command: 'echo here; {FOREVER}', ready_when: {{log: here}}}}\n"


@pytest.mark.parametrize("test", THE_SAME, ids=lambda test: str(test.__name__).removeprefix("test_"))
def test_the_same_as_on_this_machine(cloud: CloudSbx, test: Callable[[Sbx], None]) -> None:
    test(cloud)
    assert not [request for request in cloud.plain.requests if re.search("/(batch|watch)", request)]


def test_down_suspends_and_up_resumes(cloud: CloudSbx) -> None:
    cloud.write(WEB)
    cloud.run("up", "-d")
    down = cloud.run("down")
    assert "web stopped" in down.stderr
    assert "note: sandbox main stays suspended, which may cost; `sbxcompose down --terminate` ends it" in down.stderr
    name = f"{cloud.project.name}-main"
    assert cloud.plain.status(name) == "suspended"
    assert "sandbox main is suspended" in cloud.run("ps").stderr
    assert "unpause main" in cloud.run("logs").stderr
    assert "is suspended" in refused(cloud, "exec", "web", "true", code=2)
    assert cloud.plain.status(name) == "suspended", "none of these has woken it"
    assert "stopped" not in cloud.run("down").stderr
    assert cloud.plain.status(name) == "suspended"
    up = cloud.run("up", "-d", "--wait")
    assert "web started" in up.stderr
    assert cloud.plain.status(name) == "running"


@pytest.mark.parametrize("command", [["up", "--wait"], ["up", "--exit-code-from", "web"], ["up", "-d"]])
def test_a_sandbox_that_cannot_be_created_ends_every_mode(cloud: CloudSbx, command: list[str]) -> None:
    cloud.write(WEB)
    cloud.plain.refuse["POST .*/sandboxes$"] = (400, {}, b'{"error": "no room for it"}')
    assert "no room for it" in cloud.run(*command, code=1).stderr


def test_a_paused_sandbox_is_frozen_and_continues(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'i=0; while :; do i=$$((i + 1)); echo $$i > count; sleep 0.01; done'}}\n")
    sbx.run("up", "-d")
    before = pids(sbx)
    assert sbx.run("pause").stderr == "main paused\n"
    assert "is suspended" in refused(sbx, "exec", "web", "true", code=2)
    (row,) = sbx.run("ps", "--json").json
    assert (row["status"], row["phase"], row["pid"]) == ("suspended", "suspended", None)
    assert sbx.run("unpause").stderr == "main resumed\n"
    assert pids(sbx) == before
    sbx.run("pause")
    said = sbx.run("up", "-d").stderr
    assert said.startswith("sandbox main resumed\n1 unchanged in ")
    assert pids(sbx) == before


@pytest.mark.parametrize("arguments", [["down"], ["stop"], ["stop", "web"], ["down", "--terminate"]], ids=" ".join)
def test_what_is_paused_here_can_be_stopped(sbx: Sbx, arguments: list[str]) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.run("pause")
    said = sbx.run(*arguments).stderr
    assert "nothing to do" not in said
    assert not alive(before["web"])
    if "--terminate" not in arguments:
        assert "web stopped" in said
        assert rows(sbx)["web"]["status"] == "stopped"


def test_kill_says_that_a_sandbox_is_suspended(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    sbx.run("pause")
    assert "unpause main" in refused(sbx, "kill")
    assert "unpause main" in refused(sbx, "kill", "web")


@pytest.mark.parametrize("command", ["stop", "down"])
def test_what_is_paused_in_the_cloud_can_be_stopped(cloud: CloudSbx, command: str) -> None:
    cloud.write(WEB)
    cloud.run("up", "-d")
    cloud.run("pause")
    assert "web stopped" in cloud.run(command).stderr
    suspended = cloud.plain.status(f"{cloud.project.name}-main") == "suspended"
    assert suspended is (command == "down")
    cloud.run("unpause")
    assert pids(cloud) == {}


def test_down_ends_the_life_of_a_project_whose_sandbox_is_suspended(cloud: CloudSbx) -> None:
    cloud.write("processes: {job: {command: 'true', restart: never}}\n")
    cloud.run("up", "-d", "--wait")
    cloud.run("pause")  # a sandbox that was idle for too long is suspended in the same way
    assert "suspended" in cloud.run("down").stderr
    assert "job started" in cloud.run("up", "-d", "--wait").stderr


def test_pause_and_unpause(cloud: CloudSbx) -> None:
    cloud.write(WEB)
    assert "does not exist" in cloud.run("pause").stderr
    cloud.run("up", "-d")
    before = pids(cloud)
    assert cloud.run("pause").stderr == "main paused\n"
    assert cloud.run("pause", "main").stderr == "main is paused already\n"
    assert cloud.run("unpause").stderr == "main resumed\n"
    assert cloud.run("unpause").stderr == "main is not paused\n"
    assert pids(cloud) == before
    assert "no sandbox named `nonsense`" in refused(cloud, "pause", "nonsense", code=2)


def test_down_terminate_deletes_a_suspended_sandbox_too(cloud: CloudSbx) -> None:
    cloud.write(WEB)
    cloud.run("up", "-d")
    cloud.run("down")
    cloud.run("down", "--terminate")
    assert any(request.startswith("DELETE /v1/namespaces/default/sandboxes/") for request in cloud.plain.requests)
    assert cloud.run("ps").stderr == ""


def test_a_sandbox_is_made_as_the_file_says(cloud: CloudSbx) -> None:
    cloud.write("""
sandboxes:
  app:
    image: ubuntu-24
    resources: {cpus: 2, memory: 2gb, disk: 20gb}
    ports: [8080, 8081]
    workspace: /workspace
    processes: {web: {command: exec sleep 1000}}
""")
    cloud.run("up", "-d")
    (made,) = cloud.plain.created
    assert made["image"] == "ubuntu-24"
    assert made["resources"] == {"cpus": 2.0, "memory_mb": 2048, "disk_mb": 20480}
    assert made["exposed_ports"] == [8080, 8081]
    assert re.fullmatch(r"p[0-9]+-app", made["name"])


def test_another_image_needs_a_new_sandbox_and_that_is_asked_for(cloud: CloudSbx) -> None:
    text = "sandboxes: {app: {image: IMAGE, processes: {web: {command: exec sleep 1000}}}}\n"
    cloud.write(text.replace("IMAGE", "one"))
    cloud.run("up", "-d")
    before = pids(cloud)
    cloud.write(text.replace("IMAGE", "two"))
    said = cloud.run("up", "-d").stderr
    assert "differs from the file in `image`" in said
    assert "--recreate-sandboxes" in said
    assert pids(cloud) == before
    cloud.run("up", "-d", "--recreate-sandboxes")
    assert [item["image"] for item in cloud.plain.created] == ["one", "two"]
    assert pids(cloud) != before


def test_ports_that_are_added_to_the_file_are_given_to_the_sandbox(cloud: CloudSbx) -> None:
    text = "sandboxes: {app: {ports: [PORTS], processes: {web: {command: exec sleep 1000}}}}\n"
    cloud.write(text.replace("PORTS", "8080"))
    cloud.run("up", "-d")
    before = pids(cloud)
    cloud.write(text.replace("PORTS", "8080, 8081"))
    assert "1. update sandbox app: ports differ from the file" in cloud.run("plan").stdout
    cloud.run("up", "-d")
    assert [request for request in cloud.plain.requests if request.startswith("PATCH")]
    assert "nothing to do" in cloud.run("up", "-d").stderr
    assert pids(cloud) == before


def test_sizes_are_changed_in_place_and_what_is_reported_of_a_pending_sandbox(cloud: CloudSbx) -> None:
    text = "sandboxes: {app: {resources: {cpus: CPUS, memory: 2gb}, processes: {web: {command: exec sleep 1000}}}}\n"
    cloud.write(text.replace("CPUS", "1"))
    cloud.plain.pending = ["scheduling", "no_resources_available"]
    said = cloud.run("up", "-d").stderr
    assert "sandbox app is pending: scheduling\nsandbox app is pending: no resources available\n" in said
    before = pids(cloud)
    cloud.write(text.replace("CPUS", "2"))
    assert "1. update sandbox app: resources differ from the file" in cloud.run("plan").stdout
    assert "sandbox app updated" in cloud.run("up", "-d").stderr
    assert "nothing to do" in cloud.run("up", "-d").stderr
    assert pids(cloud) == before


@pytest.mark.parametrize("answer,image", [("y", "two"), ("n", "one"), ("", "one")])
def test_on_a_terminal_it_asks_before_it_replaces_a_sandbox(cloud: CloudSbx, answer: str, image: str) -> None:
    text = "sandboxes: {app: {image: IMAGE, processes: {web: {command: exec sleep 1000}}}}\n"
    cloud.write(text.replace("IMAGE", "one"))
    cloud.run("up", "-d")
    cloud.write(text.replace("IMAGE", "two"))
    with cloud.start("up", "-d", terminal=True) as up:
        up.wait_for(r"data is lost.*\[y/N\]")
        up.press(answer + "\n")
        assert up.wait().code == 0
    assert cloud.plain.created[-1]["image"] == image


def test_a_process_has_the_sandboxs_environment_and_not_the_shells(cloud: CloudSbx) -> None:
    cloud.write("processes: {web: {command: 'echo [$$OF_SHELL] [$$OF_FILE]', env: {OF_FILE: file}, restart: never}}\n")
    cloud.run("up", "--wait", env={"OF_SHELL": "shell"})
    assert cloud.run("logs").stdout == "web | [] [file]\n"


def test_setup_runs_once_for_a_sandbox_and_again_when_it_changes(cloud: CloudSbx) -> None:
    text = "sandboxes: {app: {setup: ['echo COUNT >> setup.log'], processes: {web: {command: exec sleep 1000}}}}\n"
    cloud.write(text.replace("COUNT", "one"))
    cloud.run("up", "-d", "--wait")
    cloud.run("down")
    cloud.run("up", "-d", "--wait")
    assert (cloud.project / "setup.log").read_text() == "one\n"
    cloud.write(text.replace("COUNT", "two"))
    cloud.run("up", "-d", "--wait")
    assert (cloud.project / "setup.log").read_text() == "one\ntwo\n"


def test_a_set_up_is_cached_in_a_snapshot(cloud: CloudSbx) -> None:
    text = """
sandboxes:
  app:
    setup: [echo first >> setup.log, 'echo COUNT >> setup.log']
    setup_cache: snapshot
    processes: {web: {command: exec sleep 1000}}
"""
    cloud.write(text.replace("COUNT", "one"))
    plan = cloud.run("plan").stdout
    assert "snapshot sandbox app" in plan
    assert plan.index("snapshot sandbox app") < plan.index("start web")
    assert "sandbox app was saved as a snapshot" in cloud.run("up", "-d", "--wait").stderr
    cloud.run("down", "--terminate")
    assert "its set-up is restored from a snapshot" in cloud.run("plan").stdout
    said = cloud.run("up", "-d", "--wait").stderr
    assert "sandbox app is restored from a snapshot in which its setup is done" in said
    assert "was saved as a snapshot" not in said
    assert (cloud.project / "setup.log").read_text() == "first\none\n", "it has run once"
    assert "nothing to do" in cloud.run("up", "-d").stderr, "it counts as completed from now on"
    assert ["snapshot_id" in body for body in cloud.plain.created] == [False, True]
    cloud.run("down", "--terminate")
    cloud.write(text.replace("COUNT", "two"))
    cloud.plain.refuse["POST .*/snapshot$"] = 400, {}, b'{"error":"no more snapshots"}'
    said = cloud.run("up", "-d", "--wait").stderr
    assert "sandbox app could not be saved as a snapshot" in said
    assert "no more snapshots" in said
    assert (cloud.project / "setup.log").read_text().endswith("one\nfirst\ntwo\n")
    (kept,) = {body.get("snapshot_id") for body in cloud.plain.created} - {None}
    cloud.plain.refuse[f"GET .*/snapshots/{kept}"] = 404, {}, b'{"error":"not found"}'
    cloud.run("down", "--terminate")
    cloud.write(text.replace("COUNT", "one"))
    assert "restored" not in cloud.run("plan").stdout, "a snapshot that is gone is not begun with"


def test_a_set_up_is_cached_on_this_machine_too(sbx: Sbx) -> None:
    text = """
sandboxes:
  app:
    workspace: copy
    setup: ['cat from >> made']
    setup_cache: snapshot
    processes: {web: {command: 'cat made from; exec sleep 1000', ready_when: {log: .}}}
"""
    sbx.write(text)
    sbx.write("old\n", "from")
    sbx.run("up", "-d", "--wait")
    sbx.run("down", "--terminate")
    sbx.write("new\n", "from")
    assert "is restored from a snapshot" in sbx.run("up", "-d", "--wait").stderr
    assert sbx.run("logs", "--no-log-prefix", "web").stdout == "old\nnew\n", "files are copied on top of it"


def test_a_follow_does_not_resume_a_paused_sandbox_and_continues_when_it_runs(cloud: CloudSbx) -> None:
    cloud.write("processes: {web: {command: 'i=0; while :; do i=$$((i+1)); echo $$i; sleep 0.1; done'}}\n")
    cloud.run("up", "-d")
    with cloud.start("logs", "-f", "--no-log-prefix") as logs:
        logs.wait_for("(?m)^3$")
        cloud.run("pause")
        cloud.plain.cut()  # as a cloud does with the streams of a sandbox that it suspends
        cloud.run("ps")
        assert "suspended" in cloud.run("ps").stderr
        last = int(logs.out.text.split()[-1])
        cloud.run("unpause")
        logs.wait_for(rf"(?m)^{last + 5}$")
        logs.interrupt()
        shown = [int(line) for line in logs.wait().stdout.split()]
    assert shown == list(range(1, len(shown) + 1))


def test_a_look_that_breaks_off_is_not_repeated_while_the_sandbox_is_paused(cloud: CloudSbx) -> None:
    """A request to a sandbox would resume it, and nobody may do that by watching."""
    cloud.write("processes: {web: {command: 'while :; do echo line; sleep 0.1; done'}}\n")
    name = f"{cloud.project.name}-main"
    with cloud.start("up", "--no-log-prefix") as up:
        up.wait_for("(?m)^line$")
        cloud.plain.hold = "GET /api/v1/processes$"
        cloud.plain.wait_for_held()
        cloud.run("pause")
        cloud.plain.cut()
        before = len(cloud.plain.requests)
        cloud.plain.release()
        looks = 0
        while looks < 5 and cloud.plain.status(name) == "suspended":
            looks = sum("/namespaces/" in request for request in cloud.plain.requests[before:])
        assert cloud.plain.status(name) == "suspended"
        told = up.out.text.count("line\n")
        cloud.run("unpause")
        up.wait_for("(?m)^line$", count=told + 5)
        up.interrupt()
        assert up.wait().code == 130


def test_every_line_once_and_in_order_while_connections_break(cloud: CloudSbx) -> None:
    """Attached: 20 000 lines on both streams while all connections are cut again and again."""
    (cloud.project / "lines.py").write_text(
        "import sys\nfor n in range(20000):\n    print(n, flush=n % 500 == 0, file=(sys.stdout, sys.stderr)[n % 2])\n"
    )
    cloud.write("processes: {many: {command: python3 lines.py, restart: never}, late: {command: exec sleep 1000}}\n")
    with cloud.start("up", "--no-log-prefix") as up:
        for count in range(1, 6):
            up.wait_for(rf"\n{count * 1000}\n")
            cloud.plain.cut()
        up.wait_for(r"\n19999\n")
        up.wait_for(r"\n19998\n")
        up.interrupt()
        done = up.wait()
    shown = [int(line) for line in done.stdout.splitlines() if line.isdigit()]
    assert [n for n in shown if n % 2 == 0] == list(range(0, 20000, 2))
    assert [n for n in shown if n % 2 == 1] == list(range(1, 20000, 2))


def test_the_stop_signal_and_the_grace_of_the_file_are_kept_from_outside(cloud: CloudSbx) -> None:
    cloud.write("""
processes:
  polite: {command: "trap 'echo got INT; exit 0' INT; echo here; while :; do sleep 0.01; done", stop: {signal: INT}}
  deaf: {command: "trap '' TERM; echo here; while :; do sleep 0.01; done", stop: {grace: 100ms}}
""")
    cloud.run("up", "-d", "--wait")
    with cloud.start("logs", "-f") as logs:
        logs.wait_for("here", count=2)
        cloud.run("stop")
        logs.wait_for("polite \\| got INT")
    assert pids(cloud) == {}
    assert {name: row["status"] for name, row in rows(cloud).items()}["deaf"] == "stopped"


def test_a_run_that_cannot_be_told_from_others_is_refused(cloud: CloudSbx) -> None:
    cloud.write("""
processes:
  web: {command: "echo crash; exit 3", restart: {policy: on_failure, max_restarts: 3, initial_backoff: 1ms}}
""")
    cloud.run("up", code=1)
    cloud.run("unpause")  # the end of an attached `up` is a `down`, which suspends
    said = refused(cloud, "logs", "--run", "2", "web", code=3)
    assert "run 2 of web" in said
    assert "only the latest, 4" in said
    assert cloud.run("logs", "--run", "4").stdout == "web | crash\n"
    assert cloud.run("logs").stdout == "web | crash\n" * 4


def test_logs_have_the_newest_record_of_each_process(cloud: CloudSbx) -> None:
    for word in ("one", "two"):
        cloud.write(f"processes: {{web: {{command: 'echo {word}; exec sleep 1000', ready_when: {{log: {word}}}}}}}\n")
        cloud.run("up", "-d", "--wait")
    assert cloud.run("logs").stdout == "web | two\n"
    assert cloud.run("logs", "--tail", "9").stdout == "web | two\n"
    assert cloud.run("logs", "--since", "1h", "--tail", "1").stdout == "web | two\n"
    assert cloud.run("logs", "--all").stdout == "web | one\nweb | two\n"


def test_secrets_stay_masked_after_they_have_changed(cloud: CloudSbx) -> None:
    cloud.write("TOKEN=old-secret-value\n", ".env")
    more = 'env: {TOKEN: "${TOKEN}"}, ready_when: {log: has}'
    file = f'processes: {{web: {{command: "echo has $$TOKEN; exec sleep 1000", SECRETS {more}}}}}\n'
    cloud.write(file.replace("SECRETS", "secrets: [TOKEN],"))
    cloud.run("up", "-d", "--wait")
    cloud.write("TOKEN=new-secret-value\n", ".env")
    assert cloud.run("logs").stdout == "web | has ***\n"
    cloud.write(file.replace("SECRETS", ""))
    assert cloud.run("logs", "--json").stdout.count("has ***") == 1
    (kept,) = (cloud.home.state / "cloud-secrets").glob("*.jsonl")
    assert kept.stat().st_mode & 0o077 == 0
    cloud.run("down", "--terminate")
    assert not kept.exists()


def test_rows_are_not_asked_for_while_nothing_waits_for_a_change(cloud: CloudSbx) -> None:
    def looks() -> int:
        return cloud.plain.requests.count("GET /api/v1/processes")

    cloud.write(WEB)
    cloud.run("up", "-d")
    with cloud.start("exec", "web", "sh", "-c", "echo on; read _; echo off") as command:
        command.wait_for("on")
        before = looks()
        cloud.run("exec", "web", "sleep", "0.3")
        assert looks() == before + 1, "each command looks once"
        command.press("\n")
        command.wait_for("off")
    assert looks() == before + 1


def test_a_start_whose_answer_is_lost_is_looked_for_before_it_is_made_again(cloud: CloudSbx) -> None:
    cloud.write(WEB)
    cloud.run("up", "-d")
    cloud.run("stop")
    cloud.plain.lose = "POST /api/v1/processes$"
    cloud.run("up", "-d", "--wait")
    assert not cloud.plain.lose
    assert [row["run"] for row in rows(cloud).values()] == [1]
    assert len(pids(cloud)) == 1


class TestErrors:
    """A clear word for each: what, where, the way out; never the key."""

    def said(self, cloud: CloudSbx, *command: str, code: int = 3, **env: str) -> str:
        cloud.write(WEB)
        done = cloud.run(*(command or ("ps",)), code=code, env=env)
        everything = done.stdout + done.stderr
        assert KEY not in everything
        assert "Traceback" not in everything
        assert "hint:" in everything
        return everything

    def test_a_wrong_key(self, cloud: CloudSbx) -> None:
        said = self.said(cloud, TENSORLAKE_API_KEY="nonsense-and-longer-than-sixteen")
        assert f"{cloud.plain.address} does not accept the key: the key is unknown" in said
        assert "comes from TENSORLAKE_API_KEY" in said
        assert "sixteen" not in said

    def test_no_key(self, cloud: CloudSbx) -> None:
        said = self.said(cloud, TENSORLAKE_API_KEY="", TENSORLAKE_API_URL="https://api.invalid")
        assert "no key for https://api.invalid" in said
        assert "set TENSORLAKE_API_KEY" in said

    def test_a_name_that_cannot_be_resolved(self, cloud: CloudSbx) -> None:
        assert "`sandbox.invalid` cannot be resolved" in self.said(cloud, TENSORLAKE_API_URL="https://api.invalid")

    def test_no_server_answers(self, cloud: CloudSbx) -> None:
        said = self.said(cloud, TENSORLAKE_API_URL="http://127.0.0.1:1")
        assert "http://127.0.0.1:1 does not answer" in said
        assert "host serve --port 1" in said

    def test_a_server_without_tls(self, cloud: CloudSbx) -> None:
        said = self.said(cloud, TENSORLAKE_API_URL=cloud.plain.address.replace("http:", "https:"))
        assert "no TLS connection" in said

    # Each kind of mistake in them: tests/unit/api/test_egress.py.
    @pytest.mark.parametrize("command", ["ps", "doctor"])
    @pytest.mark.parametrize(
        "variable,value,words",
        [
            ("SSL_CERT_FILE", "/etc/passwd", "`/etc/passwd` cannot be used: it contains no certificates"),
            ("ALL_PROXY", "socks5://me:secret@127.0.0.1:1", "`socks5://…@127.0.0.1:1` cannot be used: SOCKS"),
        ],
    )
    def test_an_outgoing_proxy_that_cannot_be_used(
        self, cloud: CloudSbx, command: str, variable: str, value: str, words: str
    ) -> None:
        cloud.env |= {"TENSORLAKE_API_URL": "https://api.invalid", variable: value}
        said = self.said(cloud, command)
        cloud.env["TENSORLAKE_API_URL"] = cloud.plain.address
        assert f"{variable}: {words}" in said
        assert "defect" not in said
        assert "secret" not in said

    @pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "http://proxy.invalid:3128"])
    def test_a_proxy_that_is_not_there(self, cloud: CloudSbx, proxy: str) -> None:
        said = self.said(cloud, TENSORLAKE_API_URL="https://api.invalid", HTTPS_PROXY=proxy)
        assert "HTTPS_PROXY is set: check that it is right and that the proxy is running" in said

    def test_an_ipv6_address(self, cloud: CloudSbx) -> None:
        assert "http://[::1]:1 does not answer" in self.said(cloud, TENSORLAKE_API_URL="http://[::1]:1")

    def test_no_url(self, cloud: CloudSbx) -> None:
        assert "TENSORLAKE_API_URL: `nonsense` is not a server address" in self.said(
            cloud, TENSORLAKE_API_URL="nonsense"
        )

    def test_too_many_requests(self, cloud: CloudSbx) -> None:
        cloud.plain.refuse["GET .*/sandboxes/"] = 429, {"Retry-After": "120"}, b'{"error":"slow down"}'
        said = self.said(cloud)
        assert "too many requests: slow down" in said
        assert "try again in 120 s" in said

    def test_a_redirect_is_not_followed(self, cloud: CloudSbx) -> None:
        cloud.plain.refuse["GET .*/sandboxes/"] = 307, {"Location": "https://evil.example/"}, b""
        assert "redirects to https://evil.example/; refusing to follow it" in self.said(cloud)

    def test_a_server_that_is_not_ready(self, cloud: CloudSbx) -> None:
        cloud.plain.refuse["GET .*/sandboxes/"] = 503, {}, b'{"error":"deploying"}'
        assert "deploying" in self.said(cloud)
        assert len(cloud.plain.requests) == 5, "a read is tried again"

    def test_an_invalid_answer(self, cloud: CloudSbx) -> None:
        cloud.plain.refuse["GET .*/sandboxes/"] = 200, {}, b"<html>"
        cloud.write(WEB)
        assert "is not JSON" in cloud.run("ps", code=3).stderr

    def test_a_sandbox_somewhere_else_does_not_get_the_key(self, cloud: CloudSbx) -> None:
        cloud.write(WEB)
        cloud.run("up", "-d")
        cloud.plain.sandbox_url = "https://elsewhere.example"
        said = self.said(cloud)
        assert "is said to be at https://elsewhere.example" in said
        assert "TENSORLAKE_SANDBOX_PROXY_URL" in said
        cloud.plain.sandbox_url = None


def test_a_proxy_that_was_named_is_used_where_the_answer_names_no_trusted_place(cloud: CloudSbx) -> None:
    cloud.write(WEB)
    cloud.plain.sandbox_url = "https://elsewhere.example"
    cloud.run("up", "-d", env={"TENSORLAKE_SANDBOX_PROXY_URL": cloud.plain.address})
    cloud.plain.sandbox_url = None
    assert set(pids(cloud)) == {"web"}


def test_a_daemon_without_supervision_is_detected_before_anything_has_started(cloud: CloudSbx) -> None:
    cloud.plain.managed = False
    cloud.write(WEB + "  other: {command: 'touch started'}\n")
    said = cloud.run("up", "-d", code=1).stderr
    assert said.count("does not support supervised processes") == 1
    assert "; name an `image` with a newer daemon" in said
    assert not (cloud.project / "started").exists()
    assert cloud.run("ls", "-q").stdout == "", "the sandbox that this has made is not left behind"


@pytest.mark.parametrize("command", [["exec", "web"], ["run", "web"]], ids=lambda words: words[0])
def test_a_missing_command_is_127_whatever_the_daemons_code_for_it(cloud: CloudSbx, command: list[str]) -> None:
    cloud.write(WEB)
    cloud.run("up", "-d", "--wait")
    body = b'{"error":"Failed to spawn process: No such file or directory (os error 2)","code":"INTERNAL_ERROR"}'
    cloud.plain.refuse["POST .*/processes$"] = 500, {}, body
    assert "No such file" in cloud.run(command[0], "-T", *command[1:], "nonsense", code=127).stderr


def test_the_workspace_is_made_by_a_later_up_if_it_was_not_made_at_first(cloud: CloudSbx) -> None:
    cloud.plain.workspace = cloud.project / "there"
    cloud.write(WEB)
    cloud.plain.refuse["POST .*/processes/run$"] = 503, {}, b'{"error":"deploying"}'
    assert "deploying" in cloud.run("up", "-d", code=1).stderr
    cloud.plain.refuse.clear()
    cloud.run("up", "-d", "--wait")
    before = len(cloud.plain.requests)
    cloud.run("up", "-d", "--wait")
    assert not [request for request in cloud.plain.requests[before:] if request.startswith("POST")], "once is enough"
    cloud.run("stop")
    cloud.plain.workspace.rename(cloud.project / "lost")
    cloud.run("up", "-d", "--wait")
    assert (cloud.project / "there").is_dir()


def test_a_create_that_is_answered_with_an_error_is_tried_again_and_the_answer_is_shown(cloud: CloudSbx) -> None:
    cloud.write(WEB)
    cloud.plain.refuse["POST .*/sandboxes$"] = 500, {"Content-Type": "text/plain"}, b"disk on fire\nat line 7"
    with cloud.start("up", "-d") as up:
        said = up.wait_for("sandbox main is not created yet, trying again: .*HTTP 500: disk on fire")
        assert "at line 7" not in said
        assert "not answered" not in said
        cloud.plain.refuse.clear()
        assert up.wait().code == 0
    cloud.run("down", "--terminate")
    cloud.plain.refuse["POST .*/sandboxes$"] = 500, {}, b""
    with cloud.start("up", "-d") as up:
        up.wait_for("trying again: .*HTTP 500")
        up.interrupt()
        assert "its creation was requested and answered with an error" in up.wait().stderr


def test_over_tls_with_a_certificate_that_is_trusted(https_cloud: CloudSbx, certificate: Path) -> None:
    https_cloud.env["SSL_CERT_FILE"] = str(certificate)
    https_cloud.write(WEB + f"  other: {{command: {FOREVER}}}\n")
    https_cloud.run("up", "-d", "--wait")
    assert https_cloud.run("logs").stdout == "web   | here\n"
    assert (
        https_cloud.run("exec", "web", "sh", "-c", "cat; exit 7", stdin="passed on\n", code=7).stdout == "passed on\n"
    )
    with https_cloud.start("up", "--no-log-prefix") as up:
        up.wait_for("already up to date")
        https_cloud.plain.cut()
        https_cloud.run("restart", "web")
        up.wait_for("(?m)^here$")
        up.interrupt()
        assert up.wait().code == 130
    https_cloud.run("down", "--terminate")


def test_over_tls_with_an_untrusted_certificate(https_cloud: CloudSbx) -> None:
    https_cloud.write(WEB)
    said = https_cloud.run("ps", code=3).stderr
    assert "its certificate is not trusted (self-signed certificate" in said
    assert "SSL_CERT_FILE" in said


class TestDoctor:
    def test_a_working_configuration(self, cloud: CloudSbx) -> None:
        cloud.write(WEB)
        said = cloud.run("doctor").stdout
        assert f"{cloud.plain.address} (from TENSORLAKE_API_URL)" in said
        assert f"…{KEY[-4:]} (from TENSORLAKE_API_KEY)" in said
        assert "accepts the key" in said
        assert KEY not in said

    def test_every_problem_has_a_hint(self, cloud: CloudSbx) -> None:
        cloud.write(WEB)
        done = cloud.run("doctor", "--json", code=3, env={"TENSORLAKE_API_KEY": "nonsense"})
        assert done.json["good"] is False
        (bad,) = [check for check in done.json["checks"] if check["health"] == "bad"]
        assert bad["section"] == "tensorlake"
        assert "does not accept the key" in bad["text"]
        assert bad["fix"] == "set the right one in TENSORLAKE_API_KEY"

    def test_without_a_project_and_a_key(self, dry: Sbx) -> None:
        found = {(check["section"], check["name"]): check for check in dry.run("doctor", "--json").json["checks"]}
        assert found["project", "file"]["health"] == "note"
        assert found["local", "host"]["text"].startswith("not running")
        assert found["tensorlake", "key"]["health"] == "note"

    def test_a_file_of_another_tool(self, dry: Sbx) -> None:
        (dry.project / "compose.yaml").write_text("services: {web: {image: nginx}}\n")
        said = dry.run("doctor").stdout
        assert "convert compose.yaml -o sbxcompose.yaml" in said
        assert "sbxcompose init" not in said

    def test_a_directory_that_others_can_read(self, dry: Sbx) -> None:
        directory = dry.project / "open"
        directory.mkdir(mode=0o755)
        done = dry.run("doctor", code=3, env={"SBXCOMPOSE_STATE_DIR": str(directory)})
        assert f"{directory} is open to other users" in done.stdout
        assert f"chmod 700 {directory}" in done.stdout

    def test_a_running_sandboxs_daemon_is_asked_what_it_can_do(self, cloud: CloudSbx) -> None:
        cloud.write(WEB)
        cloud.run("up", "-d")
        assert "its daemon (version " in cloud.run("doctor").stdout
        cloud.plain.managed = False
        cloud.plain.refuse["GET .*/tunnels/|GET .*/pty$"] = 404, {}, b'{"error":"not found"}'
        said = cloud.run("doctor", code=3).stdout
        assert "does not support supervised processes, terminals, tunnels" in said
        cloud.run("pause")
        cloud.plain.managed = True
        assert "sandbox main  suspended, so its daemon is not asked" in cloud.run("doctor").stdout
        assert cloud.plain.status(f"{cloud.project.name}-main") == "suspended"


def test_port_says_that_a_daemon_has_no_tunnels(cloud: CloudSbx) -> None:
    cloud.write(WEB)
    cloud.run("up", "-d")
    cloud.plain.refuse["GET .*/tunnels/"] = 404, {}, b'{"error":"not found"}'
    assert "does not support tunnels" in refused(cloud, "port", "main", "8000", code=3)
    cloud.plain.refuse.clear()
    with cloud.start("port", "main", "8000") as port:
        port.wait_for("listening on")
        port.interrupt()
        assert port.wait().code == 0


def test_the_token_of_a_terminal_is_in_the_url_and_in_no_message(cloud: CloudSbx) -> None:
    cloud.write(WEB)
    cloud.run("up", "-d")
    with cloud.start("exec", "web", "echo", "on a terminal", terminal=True) as command:
        command.wait_for("on a terminal")
        assert command.wait().code == 0
    (opened,) = [request for request in cloud.plain.requests if "/ws" in request]
    assert re.search(r"/ws\?token=[0-9a-f]{64}$", opened)
    cloud.plain.refuse["GET .*/ws"] = 403, {}, b'{"error":"wrong token","code":"INVALID_TOKEN"}'
    with cloud.start("exec", "web", "true", terminal=True) as command:
        said = command.wait()
    token = cloud.plain.requests[-2].rpartition("token=")[2]
    assert "wrong token" in said.stdout + said.stderr
    assert token not in said.stdout + said.stderr


def test_a_server_that_refuses_large_bodies_gets_them_in_parts(cloud: CloudSbx, tmp_path: Path) -> None:
    cloud.write(WEB)
    cloud.run("up", "-d")
    cloud.plain.largest = 2 * 1024 * 1024
    large = bytes(range(256)) * 20_000 + b"the end"
    (cloud.project / "large").write_bytes(large)
    (cloud.project / "folder").mkdir()
    for number in range(3):
        (cloud.project / "folder" / str(number)).write_bytes(large[:1_500_000] + str(number).encode())
    there = tmp_path / "there"
    there.mkdir()
    assert "copied" in cloud.run("cp", "large", f"main:{there}/copy").stderr
    assert (there / "copy").read_bytes() == large
    cloud.run("cp", "folder", f"main:{there}/")
    assert (there / "folder" / "2").read_bytes() == large[:1_500_000] + b"2"
    assert sorted(path.name for path in there.iterdir()) == ["copy", "folder"], "nothing is left of the parts"
    cloud.plain.largest = 1000
    said = refused(cloud, "cp", "large", f"main:{there}/copy", code=1)
    assert "(5.1 MB) cannot be written: the server refuses even" in said
    assert "length limit exceeded" in said


MIXED = """
processes:
  db: {command: 'echo from db; exec sleep 1000', ready_when: {log: from}}
sandboxes:
  app:
    provider: tensorlake
    processes:
      web:
        command: 'echo from web; exec sleep 1000'
        ready_when: {log: from}
        depends_on: [main/db]
"""


def test_sandboxes_of_one_project_at_two_providers(cloud: CloudSbx) -> None:
    del cloud.env["SBXCOMPOSE_PROVIDER"]
    cloud.write(MIXED)
    said = cloud.run("up", "-d", "--wait").stderr
    assert said.index("db is ready") < said.index("web started")
    assert [body["name"] for body in cloud.plain.created] == [f"{cloud.project.name}-app"]
    assert set(pids(cloud)) == {"db", "web"}
    assert sorted(cloud.run("logs").stdout.splitlines()) == ["db  | from db", "web | from web"]
    assert cloud.run("exec", "db", "pwd").stdout == f"{cloud.project}\n"
    assert "nothing to do" in cloud.run("up", "-d").stderr
    down = cloud.run("down").stderr
    assert "note: sandbox app stays suspended" in down
    assert "sandbox main" not in down
    assert cloud.plain.status(f"{cloud.project.name}-app") == "suspended"
    assert cloud.plain.status(f"{cloud.project.name}-main") == "running"
    cloud.run("down", "--terminate")
    cloud.plain.created.clear()
    cloud.run("--provider", "local", "up", "-d", "--wait")
    assert cloud.plain.created == [], "the command line moves all of it"
    cloud.run("--provider", "local", "down", "--terminate")


def test_run_beside_a_procfile_needs_no_process_in_the_cloud_either(cloud: CloudSbx) -> None:
    cloud.write("web: sleep 1000\n", "Procfile")
    cloud.write("A=pa$$word\n", ".env")
    assert cloud.run("run", "-T", "sh", "-c", "echo $A").stdout == "pa$$word\n"


def test_a_terminal_needs_the_program_script(cloud: CloudSbx, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != "script":
            (programs / program.name).symlink_to(program)
    cloud.plain.env["PATH"] = str(programs)
    cloud.write(f"processes: {{it: {{tty: true, command: {FOREVER}}}}}")
    said = refused(cloud, "up", "-d", code=1)
    assert "it could not be started: the program `script`, which `tty` needs, is missing in sandbox main" in said


def test_a_command_as_health_check_is_refused_in_the_cloud(cloud: CloudSbx) -> None:
    cloud.write(f"processes: {{db: {{command: {FOREVER}, health_check: {{exec: 'true'}}}}}}")
    said = refused(cloud, "up", "-d")
    assert "the provider `tensorlake` cannot run a command as a health check" in said
    assert "use `http` or `tcp`" in said
    assert "ready_when: {exec: ...}" in said


def test_a_supervisor_that_decides_otherwise_is_reported(cloud: CloudSbx) -> None:
    cloud.write(
        """
processes:
  job: {command: exit 5, restart: never, success_exit_codes: [5]}
  again: {command: exit 5, restart: {max_restarts: 1, initial_backoff: 1ms, max_backoff: 1ms}, success_exit_codes: [5]}
"""
    )
    said = cloud.run("up", "-d", "--wait").stderr
    assert "again: the provider's supervisor restarts it after exit code 5 all the same" in said
    assert "job: the provider" not in said
    found = rows(cloud)
    assert (found["job"]["restarts"], found["again"]["restarts"]) == (0, 1)
    assert found["job"]["status"] == "completed"
