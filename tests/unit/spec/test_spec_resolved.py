from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from sbxcompose.spec.project import Project
from sbxcompose.spec.resolved import resolved
from tests.support.spec_files import load
from tests.unit.spec.test_spec_load import DESIGN

CLOUD = """
name: cloud
sandboxes:
  app:
    image: ubuntu
    resources: {cpus: 0.5, memory: 1.5gb, disk: 10gb}
    timeout: 1h30m
    network: {allow_internet_access: false, deny_out: [a.example]}
    ports: [80, 443]
    file_systems: [{id: fs, mount_path: /data}]
    files: [{from: src, to: code, ignore: ['*.o']}]
    setup: [make, [make, install]]
    env: {TOP: 'a$$b'}
    processes:
      one: {command: 'echo $$HOME', secrets: [S], inherit_env: false, restart: {policy: always, max_restarts: 3}}
      two:
        command: [x]
        depends_on: {one: {condition: started, restart: true}, other/db: ready}
        ready_when: {exec: [check]}
        watch: [{path: a, signal: HUP}, {path: b, run: [make]}]
        inherit_env: [PATH, HOME]
        stdin: pipe
        update: start-first
        stop: {signal: 10, grace: 1500ms, command: ctl $$STOP}
        health_check: {tcp: 1, interval: 10ms, timeout: 2s}
        replicas: 4
        port: 7000
        description: Second
        tty: true
        success_exit_codes: [5, 143]
        labels: {team: 'a$$b', version: 1.10}
        autostart: false
      three: {command: x, stop_all_on: failure, depends_on: {four: {condition: ended, required: false}}, port: 9}
      five: {command: x, health_check: {exec: [check, $$x], timeout: 2s}}
      four: {command: x, restart: never, profiles: [more]}
  other: {processes: {db: {command: x, restart: never, workdir: /srv}}}
"""


def again(project: Project, profiles: tuple[str, ...] = ()) -> Project:
    """What the resolved project means when it is loaded."""
    text = json.dumps(resolved(project, reveal=True))
    return load(None, {}, {"sbxcompose.yaml": text}, profiles=profiles)


@pytest.mark.parametrize("text", [DESIGN, CLOUD, "processes: {web: {command: x}}"])
def test_what_is_printed_means_the_same_again(text: str) -> None:
    project = load(text)
    assert again(project) == replace(project)


def test_profiles_that_are_not_active_are_shown_too() -> None:
    project = load(DESIGN, profiles=("dev",))
    assert again(project, profiles=("dev",)) == project


def test_secrets_are_masked_unless_asked_for() -> None:
    text = """
secrets: [TOKEN]
processes: {web: {command: x, env: {TOKEN: , URL: "http://u:$TOKEN@h", PLAIN: "a hunter2 b", X: y}}}
"""
    project = load(text, {"TOKEN": "hunter2"})
    (app,) = resolved(project)["sandboxes"].values()
    env = app["processes"]["web"]["env"]
    assert env == {"PLAIN": "a *** b", "TOKEN": "***", "URL": "***", "X": "y"}
    assert "hunter2" not in json.dumps(resolved(project))
    assert "hunter2" in json.dumps(resolved(project, reveal=True))


def test_a_procfile_shows_its_ports() -> None:
    project = load(None, {}, {"Procfile": "web: serve -p $PORT"})
    assert resolved(project)["sandboxes"]["main"]["processes"]["web"] == {
        "command": ["sh", "-c", "serve -p $$PORT"],
        "replicas": 1,
        "env": {"PORT": "5000"},
        "stdin": "pipe",
        "restart": {"policy": "never", "initial_backoff": "500ms", "max_backoff": "30s"},
        "stop": {"signal": "SIGTERM", "grace": "10s"},
    }
    assert next(again(project).processes()).digest == next(project.processes()).digest
