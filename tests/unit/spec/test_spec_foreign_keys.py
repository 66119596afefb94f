"""Keys of other tools in a file of ours: each is answered with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from sbxcompose.spec.base_models import Strict
from sbxcompose.spec.foreign_keys import _OF_MODEL, _RENAMED, hint
from sbxcompose.spec.models import ProjectModel
from tests.support.spec_files import hints


def models(parent: type[BaseModel] = Strict) -> Iterator[type[BaseModel]]:
    for model in parent.__subclasses__():
        yield model
        yield from models(model)


def keys(model: type[BaseModel]) -> set[str]:
    return {info.alias or name for name, info in model.model_fields.items()}


ALL = {model.__name__: keys(model) for model in models()}
EVERY_KEY = set().union(*ALL.values())


@pytest.mark.parametrize(
    "keys,words",
    [
        ("environment: {}", "`env`"),
        ("cwd: x", "`workdir`"),
        ("shell: x", "`command`"),
        ("scale: 2", "`replicas`"),
        ("image: x", "nothing is pulled"),
        ("ports: ['1:2']", "no port is mapped"),
        ("volumes: [a]", "remove it"),
        ("deploy: {}", "`resources` of a sandbox"),
        ("cpuset: '0'", "in a sandbox"),
        ("stop_command: x", "`stop: {command: ...}`"),
        ("disabled: true", "`autostart: false`"),
        ("namespace: x", "`profiles: [NAME]`"),
        ("is_tty: true", "`tty: true`"),
        ("exitcodes: [0, 2]", "`success_exit_codes: [0, ...]`"),
        ("exit_on_end: true", "`stop_all_on: exit`"),
        ("restart: {policy: never, exit_on_failure: true}", "`stop_all_on: failure`"),
        ("is_daemon: true", "in the foreground"),
        ("is_interactive: true", "`stdin: pipe`"),
        ("log_location: x", "`sbxcompose logs NAME > FILE`"),
        ("ready_log_line: x", "`ready_when: {log: ...}`"),
        ("healthcheck: {test: x}", "`health_check`"),
        ("health_check: {test: x, tcp: 1}", "`exec`"),
        ("health_check: {tcp: 1, success_threshold: 2}", "one success is enough"),
        ("health_check: {http_get: {}, tcp: 1}", "`http`"),
        ("health_check: {http: {port: 1, scheme: http}}", "remove it"),
        ("health_check: {tcp: 1, retries: 3}", "`failure_threshold`"),
        ("stop: {timeout_seconds: 5}", "`grace`"),
        ("restart: {condition: any}", "`policy`"),
        ("restart: {backoff_seconds: 2}", "`initial_backoff`"),
        ("watch: [{path: src, include: ['*.py']}]", "`ignore: [...]`"),
        ("watch: ['src/**/*.py']", "did you mean `src`?"),
        ("watch: ['*.py']", "did you mean `.`?"),
        ("watch: ['/*/x']", "did you mean `/`?"),
        ("ready_when: {log: x, tcp: 1}", "`health_check`"),
        ("container_name: x", "remove it"),
        ("priority: 1", "`depends_on`"),
    ],
)
def test_a_key_in_a_process(keys: str, words: str) -> None:
    (found,) = hints(f"processes: {{web: {{command: x, {keys}}}}}")
    assert words in (found or "")


def test_a_process_without_a_command_may_be_another_one_misspelt() -> None:
    both = "processes: {{worker: {{command: x}}, {}: {{env: {{A: b}}}}}}"
    assert hints(both.format("wroker")) == ["did you mean `worker`?"]
    assert hints(both.format("cache")) == ["say what runs: `command: ...`"]


@pytest.mark.parametrize("key", ["version: '3'", "volumes: {}", "networks: {}", "log_level: info", "is_strict: true"])
def test_a_key_at_the_top(key: str) -> None:
    (found,) = hints(f"{key}\nprocesses: {{web: {{command: x}}}}")
    assert (found or "").startswith("remove it")


@pytest.mark.parametrize("name", _OF_MODEL)
def test_hints_are_for_keys_that_do_not_exist_and_name_keys_that_do(name: str) -> None:
    assert not ALL[name] & _OF_MODEL[name].keys()
    for text in _OF_MODEL[name].values():
        named = re.findall(r"`([a-z_]+)[:`]", text)
        assert set(named) <= EVERY_KEY, text
        assert all(word in ALL[name] for word in re.findall(r"did you mean `(\w+)`", text)), text


def test_renamed_keys_do_not_exist_and_have_a_counterpart() -> None:
    assert set(_RENAMED.values()) <= EVERY_KEY
    for key, ours in _RENAMED.items():
        assert not any(key in known and ours in known for known in ALL.values()), key


def test_a_key_that_no_tool_has() -> None:
    assert hint("nonsense", "ProcessModel", ALL["ProcessModel"]) is None
    assert hint("environment", "ProjectModel", keys(ProjectModel)) == "did you mean `env`?"
