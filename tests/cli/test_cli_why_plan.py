"""`why`, `plan`, `config`, `schema`: what is, what would be done, and what the file says; nothing is changed."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cli.looking import FOREVER, Gate, order_of, pids, refused, rows
from tests.support.command import Sbx


def cause(sbx: Sbx, name: str) -> tuple[str, str]:
    """What `why NAME` says: its cause for programs, and its lines."""
    (found,) = sbx.run("why", "--json", name, code=None).json
    return found["cause"], "\n".join(found["lines"])


def test_why_when_nothing_is_wrong(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, job: {{command: 'true', restart: never}}}}\n")
    sbx.run("up", "-d", "--wait")
    sbx.run("wait", "--for", "exit", "job")
    assert "match the file" in sbx.run("why").stdout
    assert cause(sbx, "web")[0] == "fine"
    assert cause(sbx, "job")[0] == "completed"
    assert sbx.run("why", "--json").json == []


def test_why_before_up_and_after_stop(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, other: {{command: {FOREVER}}}}}\n")
    found = sbx.run("why", "web", code=1).stdout
    assert "does not exist" in found
    assert "hint: `sbxcompose up` creates it" in found
    sbx.run("up", "-d", "other")
    assert cause(sbx, "web")[0] == "not started"
    sbx.run("stop", "other")
    kind, words = cause(sbx, "other")
    assert kind == "stopped"
    assert "on request" in words


def test_why_a_process_failed_with_its_last_lines(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'echo no such table; exit 4', restart: never}}\n")
    sbx.run("up", "-d")
    sbx.run("wait", "--for", "exit", code=4)
    found = sbx.run("why", "web", code=1).stdout + sbx.run("why", code=1).stderr
    assert "web exited with code 4" in found
    assert "no such table" in found
    assert "`never`: it is not restarted" in found


def test_why_is_it_held_up(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  job: {{command: "exit 2", restart: never}}
  web: {{command: {FOREVER}, depends_on: {{job: completed}}}}
  shop: {{command: {FOREVER}, depends_on: [web]}}
""")
    sbx.run("up", "-d", code=1)
    kind, words = cause(sbx, "shop")
    assert kind == "held up"
    order_of(words, "shop waits until web is", "web waits until job is completed; job exited with code 2")


def test_why_is_it_backing_off(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'exit 3', restart: {initial_backoff: 1h, max_backoff: 1h}}}\n")
    with sbx.start("up") as up:
        up.wait_for("exited with code 3")
        kind, words = cause(sbx, "web")
        assert kind == "backing off"
        assert "restarts in" in words
        assert "backing off, again in" in sbx.run("ps").stdout
        up.interrupt()
        assert up.wait().code == 130


def test_why_has_its_supervisor_given_up(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'exit 3', restart: {max_restarts: 2, initial_backoff: 1ms}}}\n")
    sbx.run("up", "-d")
    sbx.run("wait", "--for", "exit", code=3)
    kind, words = cause(sbx, "web")
    assert kind == "failed"
    assert "gave up after 2 restarts" in words


def test_why_is_it_unhealthy_or_still_starting(sbx: Sbx) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # taken, and nobody listens
        port = probe.getsockname()[1]
        starting = f"starting: {{command: {FOREVER}, health_check: {{tcp: {port}, initial_delay: 1h, interval: 10ms}}}}"
        sbx.write(f"processes: {{{starting}}}\n")
        sbx.run("up", "-d")  # the limit below may pass before anything has started
        assert "starting" in sbx.run("up", "-d", "--wait", "--wait-timeout", "0.5", code=124).stderr
        sbx.write(f"""
processes:
  {starting}
  unhealthy:
    command: {FOREVER}
    restart: never
    health_check: {{tcp: {port}, initial_delay: 0s, interval: 10ms, failure_threshold: 1}}
""")
        assert "unhealthy" in sbx.run("up", "-d", "--wait", code=1).stderr
        kind, words = cause(sbx, "starting")
        assert kind == "starting"
        assert "health check saw" in words
        kind, words = cause(sbx, "unhealthy")
        assert kind in ("unhealthy", "failed")
        assert "refused" in words


def test_why_is_it_outdated_an_orphan_or_not_wanted(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, old: {{command: {FOREVER}}}}}\n")
    sbx.run("up", "-d")
    sbx.write(f"""
processes:
  web: {{command: {FOREVER}, env: {{A: '1'}}}}
  debug: {{command: {FOREVER}, profiles: [dev]}}
""")
    assert cause(sbx, "web")[0] == "outdated"
    assert cause(sbx, "debug")[0] == "inactive"
    found = sbx.run("why", code=1).stdout
    assert "old is no longer in the file" in found
    assert "`sbxcompose up --remove-orphans` stops it" in found


def test_plan_says_each_step_with_its_reason_and_changes_nothing(sbx: Sbx) -> None:
    sbx.write(f"""
processes:
  db: {{command: {FOREVER}, ready_when: {{log: up}}}}
  web: {{command: {FOREVER}, depends_on: [db]}}
""")
    plan = sbx.run("plan")
    order_of(plan.stdout, "create sandbox main", "start db", "wait until db is ready", "start web")
    assert "1 sandbox to change, 2 to start" in plan.stdout
    sbx.run("plan", "--exit-code", code=5)
    assert rows(sbx) == {name: row for name, row in rows(sbx).items() if row["pid"] is None}
    assert sbx.run("ps", "-q").stdout.split() == ["db", "web"]


def test_plan_as_json_and_after_up_and_a_change(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, other: {{command: {FOREVER}}}}}\n")
    first = sbx.run("plan", "--json").json
    assert [(step["action"], step["subject"]) for step in first["steps"]] == [
        ("create", "main"), ("start", "web"), ("start", "other"),
    ]  # fmt: skip
    sbx.run("up", "-d")
    assert sbx.run("plan", "--json", "--exit-code").json["empty"] is True
    sbx.write(f"processes: {{web: {{command: {FOREVER}, env: {{A: '1'}}}}, other: {{command: {FOREVER}}}}}\n")
    changed = sbx.run("plan", "--json", "--exit-code", code=5).json
    assert [(step["action"], step["subject"], step["reason"]) for step in changed["steps"]] == [
        ("stop", "web", "definition changed"),
        ("start", "web", "definition changed"),
    ]
    assert changed["counts"] == {"copy": 0, "start": 0, "replace": 1, "stop": 0, "sandboxes": 0, "unchanged": 1}
    assert [step["action"] for step in sbx.run("plan", "--json", "--force-recreate", "other").json["steps"]] == [
        "stop", "start",
    ]  # fmt: skip
    assert sbx.run("plan", "--json", "other").json["empty"] is True


def test_a_plan_is_what_up_then_does(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, job: {{command: 'true', restart: never}}}}\n")
    planned = {step["subject"] for step in sbx.run("plan", "--json").json["steps"] if step["action"] == "start"}
    said = sbx.run("up", "-d").stderr
    assert planned == {"web", "job"}
    assert all(f"{name} started" in said for name in planned)


CONFIG = """
name: ${PROJECT:-shop}
x-common: &common
  env: {SHARED: "1"}
processes:
  web:
    <<: *common
    command: run --port ${PORT:-80}
    depends_on: [db]
    restart: always
  db: {command: [postgres, -D, data], stop: {grace: 1m30s}, profiles: [store]}
"""


def test_config_shows_the_file_as_it_is_understood(dry: Sbx) -> None:
    dry.write(CONFIG)
    dry.write("processes: {web: {env: {OVER: laid}}}\n", "sbxcompose.override.yaml")
    as_json: dict[str, Any] = dry.run("--profile", "store", "config", "--json", env={"PORT": "90"}).json
    assert yaml.safe_load(dry.run("--profile", "store", "config", env={"PORT": "90"}).stdout) == as_json
    processes = as_json["sandboxes"]["main"]["processes"]
    assert as_json["name"] == "shop"
    assert "run --port 90" in processes["web"]["command"]
    assert processes["web"]["env"] == {"SHARED": "1", "OVER": "laid"}
    assert processes["db"]["command"] == ["postgres", "-D", "data"]
    assert processes["db"]["stop"]["grace"] == "1m30s"


def test_config_quiet_names_and_profiles(dry: Sbx) -> None:
    dry.write(CONFIG.replace("    depends_on: [db]\n", ""))
    assert dry.run("config", "--quiet").stdout == ""
    assert dry.run("config", "--services").stdout == "web\n"
    assert sorted(dry.run("--profile", "store", "config", "--processes").stdout.split()) == ["db", "web"]
    assert dry.run("config", "--profiles").stdout == "store\n"


def test_config_is_a_file_that_means_the_same(dry: Sbx) -> None:
    dry.write(CONFIG.replace(", profiles: [store]", ""))
    first = dry.run("config").stdout
    dry.write(first, "again/sbxcompose.yaml")
    assert dry.run("config", cwd=dry.project / "again").stdout == first


def test_the_schema_accepts_what_config_prints_and_refuses_invalid_files(dry: Sbx) -> None:
    schema = dry.run("schema").json
    jsonschema.Draft202012Validator.check_schema(schema)
    dry.write(CONFIG.replace(", profiles: [store]", ""))
    jsonschema.validate(dry.run("config", "--json").json, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"processes": {"web": {"comand": "x"}}}, schema)
    published = Path(__file__).resolve().parents[2] / "schemas/sbxcompose.schema.json"
    assert schema == json.loads(published.read_text())


def test_ps_lists_what_is_wanted_and_with_a_name_only_that(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  web: {{command: {FOREVER}}}
  job: {{command: "read _ < gate", restart: never}}
  bad: {{command: "exit 9", restart: never}}
""")
    sbx.run("up", "-d")
    gate.open()
    sbx.run("wait", "--for", "exit", "job")
    sbx.run("wait", "--for", "exit", "bad", code=9)
    header, *table = sbx.run("ps").stdout.splitlines()
    assert header.split() == ["NAME", "STATUS", "PID", "RUN", "RESTARTS", "UPTIME", "COMMAND"]
    shown = {line.split()[0]: line for line in table}
    assert "running" in shown["web"]
    assert str(pids(sbx)["web"]) in shown["web"]
    assert "completed" in shown["job"]
    assert "exited 9" in shown["bad"]
    assert sbx.run("ps", "-q", "web").stdout == "web\n"
    assert [row["name"] for row in sbx.run("ps", "--json", "bad").json] == ["bad"]
    assert rows(sbx)["bad"]["exit"]["code"] == 9


def test_ps_of_a_project_that_was_never_up(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}}}\n")
    assert "not started" in sbx.run("ps").stdout
    assert "no process named" in refused(sbx, "ps", "nix")


def test_readiness_is_seen_by_ps_and_why_while_it_is_waited_for(sbx: Sbx) -> None:
    gate = Gate(sbx)
    sbx.write(f"""
processes:
  db:
    command: 'read _ < gate; printf "\\033[32maccepts\\033[0m all\\n"; {FOREVER}'
    ready_when: {{log: accepts all}}
  cache: {{command: {FOREVER}, ready_when: {{exec: [test, -e, warm]}}}}
  web: {{command: {FOREVER}, depends_on: [db]}}
""")
    with sbx.start("up", "-d") as up:
        up.wait_for("db started")
        up.wait_for("cache started")
        assert (
            "waits until db is ready; db is running, not ready yet: waiting for a line that matches `accepts all`"
            in (sbx.run("why", "web", code=1).stdout)
        )
        assert "not ready yet: waiting for `test -e warm` to succeed" in sbx.run("why", "cache", code=1).stdout
        seen = {name: (row["ready"], row["status"]) for name, row in rows(sbx).items()}
        assert seen == {
            "db": (False, "starting"),
            "cache": (None, "running, readiness unknown"),
            "web": (False, "not started"),
        }
        gate.open()
        assert up.wait().code == 0
    (sbx.project / "warm").touch()
    assert "it is ready" in sbx.run("why", "cache").stdout
    seen = {name: (row["ready"], row["status"]) for name, row in rows(sbx).items()}
    assert (seen["db"], seen["web"]) == ((True, "ready"), (True, "running"))


def test_ps_knows_a_run_whose_readiness_command_has_succeeded(sbx: Sbx) -> None:
    sbx.write(f"processes: {{cache: {{command: {FOREVER}, ready_when: {{exec: [test, -e, warm]}}}}}}")
    (sbx.project / "warm").touch()
    sbx.run("up", "--wait")
    assert (rows(sbx)["cache"]["ready"], rows(sbx)["cache"]["status"]) == (True, "ready")
    sbx.run("restart")
    assert rows(sbx)["cache"]["status"] == "running, readiness unknown", "nobody has asked this run"
    sbx.run("restart", "--wait")
    assert rows(sbx)["cache"]["status"] == "ready"
    sbx.run("down", "--terminate")
    sbx.run("up", "-d")
    assert rows(sbx)["cache"]["ready"] is None
