"""process-compose files -> ours: the keys of processes, and what is left to a person."""

from __future__ import annotations

from typing import Any

import pytest

from sbxcompose.convert.draft import NoteKind
from sbxcompose.errors import InvalidSpec
from tests.support.cases import each_case
from tests.unit.convert.test_convert_others import converted, subjects


@each_case(
    "keys, expected",
    [
        ("command: echo $HOME", {"command": "echo $$HOME", "restart": "never"}),
        ("command: 'run {{.A}}', vars: {A: 1}", {"command": "run 1"}),
        ("command: x, description: the web, working_dir: a/b", {"description": "the web", "workdir": "a/b"}),
        ("command: x, environment: ['A=1', 'B=$C']", {"env": {"A": "1", "B": "${C:-}"}}),
        ("command: 'for x in a; do echo $$x $HOME; done'", {"command": "for x in a; do echo $$x $$HOME; done"}),
        ("command: x, working_dir: '${ROOT}/$SUB/$$'", {"workdir": "${ROOT:-}/${SUB:-}/$$"}),
        ("command: x, environment: ['A=${B:-c}', 'D=$(date) $5']", {"env": {"A": "${B:-c}", "D": "$$(date) $$5"}}),
        ("command: 'x $$', environment: ['A=$B'], disable_env_expansion: true",
         {"command": "x $$$$", "env": {"A": "$$B"}}),
        ("command: x, availability: {restart: on_failure, backoff_seconds: 2, max_restarts: 5}",
         {"restart": {"policy": "on_failure", "initial_backoff": "2s", "max_backoff": "2s", "max_restarts": 5}}),
        ("command: x, availability: {restart: exit_on_failure}", {"restart": "never", "stop_all_on": "failure"}),
        ("command: x, availability: {exit_on_end: true}", {"stop_all_on": "exit"}),
        ("command: x, disabled: true", {"autostart": False}),
        ("command: x, schedule: {cron: '0 2 * * *'}", {"autostart": False, "restart": "never"}),
        ("command: x, schedule: {interval: 1h, run_on_start: true}", {"autostart": None, "restart": "never"}),
        ("command: x, is_tty: true", {"tty": True}),
        ("command: x, is_interactive: true", {"tty": True, "stdin": "pipe"}),
        ("command: x, ready_log_line: 'up (now)'", {"ready_when": {"log": r"up \(now\)"}}),
        ("command: x, readiness_probe: {http_get: {host: 127.0.0.1, port: 80, path: up}, period_seconds: 5}",
         {"health_check": {"http": {"port": 80, "path": "/up"}, "interval": "5s"}}),
        ("command: x, readiness_probe: {exec: {command: 'test -f $F'}, initial_delay_seconds: 2, timeout_seconds: 3}",
         {"health_check": {"exec": "test -f $$F", "initial_delay": "2s", "timeout": "3s"}}),
        ("command: x, shutdown: {command: stop it, signal: 2, timeout_seconds: 4}",
         {"stop": {"command": "stop it", "signal": "SIGINT", "grace": "4s"}}),
        ("command: x, readiness_probe: {http_get: {port: 80, path: /up, headers: {A: b}}}",
         {"health_check": {"exec": ["curl", "-fsk", "-o", "/dev/null", "-H", "A: b", "http://127.0.0.1:80/up"]}}),
        ("command: x, working_dir: api, watch: {debounce: 1s, cascade: true, paths: [{path: b, exclude: ['*_t.go']}]}",
         {"watch": [{"path": "api/b", "ignore": ["*_t.go"], "debounce": "1s"}], "restart_dependents": True}),
        ("command: x, watch: {paths: [{path: .}]}", {"watch": ["."]}),
    ],
)  # fmt: skip
def test_process_compose(keys: str, expected: dict[str, Any]) -> None:
    found = converted("process-compose", f"version: '0.5'\nprocesses:\n  web: {{{keys}}}\n").processes["web"]
    assert {key: found.get(key) for key in expected} == expected


def test_a_number_that_is_a_variable_is_left_to_a_person() -> None:
    keys = "command: x, availability: {restart: always, backoff_seconds: '${WAIT}', max_restarts: 3}"
    found = converted("process-compose", f"processes:\n  web: {{{keys}}}\n")
    assert found.processes["web"]["restart"] == {"policy": "always", "max_restarts": 3}
    assert [str(note) for note in found.notes] == ["web.backoff_seconds: `${WAIT}` is not a number, and is left out"]


def test_a_schedule_is_left_to_cron() -> None:
    found = converted("process-compose", "processes:\n  web: {command: x, schedule: {cron: '0 2 * * *'}}\n")
    assert [str(note) for note in found.notes] == [
        "web.schedule: there are no schedules: let cron run `sbxcompose start web`"
    ]


def test_process_compose_conditions() -> None:
    needs = """\
processes:
  a: {command: x}
  b: {command: x}
  web:
    command: x
    depends_on:
      a: {condition: process_healthy}
      b: {condition: process_completed}
      gone: {condition: process_started}
"""
    found = converted("process-compose", needs)
    assert found.processes["web"]["depends_on"] == {"a": "ready", "b": "ended"}
    assert subjects(found, NoteKind.MANUAL) == ["web.depends_on"]


def test_conditions_of_process_compose_that_cannot_come_true_here() -> None:
    needs = """\
processes:
  a: {command: x, availability: {restart: on_failure}}
  b: {command: x, availability: {restart: always}}
  c: {command: x, availability: {restart: always, max_restarts: 1}}
  web:
    command: x
    depends_on:
      a: {condition: process_completed}
      b: {condition: process_completed_successfully}
      c: {condition: process_completed}
"""
    found = converted("process-compose", needs)
    assert found.processes["web"]["depends_on"] == {"a": "completed", "b": "started", "c": "started"}
    assert subjects(found, NoteKind.MANUAL) == ["web.depends_on", "web.depends_on"]


def test_unknown_keys_of_process_compose_are_named() -> None:
    found = converted("process-compose", "env_cmds: {A: date}\nprocesses: {a.b: {command: x, mcp: {}, x-y: 1}}\n")
    assert subjects(found, NoteKind.MANUAL) == ["env_cmds", "a-b.mcp"]
    assert found.processes.keys() == {"a-b"}


def test_what_process_compose_does_not_read_is_named_with_what_may_be_meant() -> None:
    found = converted(
        "process-compose",
        "processes:\n  a: {command: x, restart: always, env: {A: b}, readiness_probe: {exec: test -f up}}\n"
        "  b: {command: y, readiness_probe: {tcp: 80}}\n",
    )
    assert found.processes["a"]["health_check"] == {"exec": "test -f up"}
    assert {str(note) for note in found.notes} == {
        "a.restart: process-compose does not know it; it may mean `availability.restart`",
        "a.env: process-compose does not know it; it may mean `environment`",
        "b.readiness_probe: has neither `http_get` nor `exec.command`: write `health_check`",
    }


def test_a_process_extends_others_as_process_compose_does() -> None:
    base = "base: {command: x, environment: ['A=1', 'B=1'], availability: {restart: always}}"
    found = converted("process-compose", f"processes: {{{base}, web: {{extends: base, environment: ['B=2']}}}}")
    assert found.processes["web"] == {"command": "x", "env": {"A": "1", "B": "2"}, "restart": "always"}


def test_processes_that_extend_each_other_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="`a` extends itself"):
        converted("process-compose", "processes: {a: {extends: b}, b: {extends: a}}")


@each_case(
    "keys, subject",
    [
        ("availability: {exit_on_skipped: true}", "web.availability.exit_on_skipped"),
        ("shutdown: {parent_only: true}", "web.shutdown.parent_only"),
        ("readiness_probe: {http_get: {port: 80, status_code: 204}}", "web.readiness_probe.status_code"),
        ("watch: {paths: [{path: ., include: ['*.go']}]}", "web.watch.include"),
        ("watch: {paths: [{path: .}], disable_default_excludes: true}", "web.watch.disable_default_excludes"),
        ("extends: gone", "web.extends"),
    ],
)
def test_what_a_key_loses_is_named(keys: str, subject: str) -> None:
    found = converted("process-compose", f"processes: {{web: {{command: x, {keys}}}}}")
    assert subject in subjects(found, NoteKind.MANUAL)
