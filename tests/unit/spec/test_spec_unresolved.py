"""What has no value on this machine is an error only of those who need it."""

from __future__ import annotations

import pytest

from sbxcompose.errors import InvalidSpec
from tests.support.cases import each_case
from tests.support.spec_files import load, mistakes

FILE = """
processes:
  solo: {{command: run}}
  web: {{{web}}}
"""


def concerned(text: str) -> list[tuple[str | None, str | None, str]]:
    """Who needs what; the files exist only as far as `load` has them."""
    return [(item.sandbox, item.process, item.message) for item in load(text, lenient=True).unresolved]


@each_case(
    "keys",
    [
        "command: 'run ${X:?}'",
        "command: 'run $X'",
        "command: run, env: {A: '${X:?}'}",
        "command: run, env: ['A=${X:?}']",
        "command: run, port: '${X:?}'",
        "command: run, port: '${X:?}', health_check: {http: /}",
        "command: run, replicas: '${X}'",
        "command: run, user: '${X}', workdir: '${X}/tmp'",
        "command: run, health_check: {http: {port: 80, path: '${X}'}}",
        "command: run, depends_on: ['${X}']",
        "command: run, stop: {command: 'stop $X'}",
        "command: run, restart: '$X'",
        "command: run, watch: [{path: '$X'}]",
    ],
)
def test_a_variable_without_a_value_concerns_the_process_that_names_it(keys: str) -> None:
    text = FILE.format(web=keys)
    assert {(sandbox, process) for sandbox, process, _ in concerned(text)} == {("main", "web")}
    assert all("the variable `X` is not set" in message for _, _, message in concerned(text))
    project = load(text, lenient=True)
    assert [process.name for process in project.processes()] == ["solo", "web"]
    project.check_resolved([("main", "solo")])
    with pytest.raises(InvalidSpec) as error:
        project.check_resolved([("main", "solo"), ("main", "web")])
    assert {mistake.line for mistake in error.value.mistakes} == {4}


def test_a_mistake_in_a_value_is_still_one_beside_a_variable_without_a_value() -> None:
    keys = "command: run, port: '${X}', health_check: {http: /, interval: soon}"
    (found,) = [text for text in mistakes(FILE.format(web=keys)) if "`X` is not set" not in text]
    assert "soon" in found


def test_a_file_of_variables_concerns_the_level_that_names_it() -> None:
    broken = {"bad.env": "no variable\n"}
    text = """
env_file: [a.env]
sandboxes:
  app:
    env_file: [b.env]
    processes:
      web: {command: run, env_file: [c.env, bad.env]}
      job: {command: run, env_file: [bad.env]}
"""
    project = load(text, files=broken, lenient=True)
    found = [(item.sandbox, item.process, item.file, item.line) for item in project.unresolved]
    assert found == [
        (None, None, "sbxcompose.yaml", 2),
        ("app", None, "sbxcompose.yaml", 5),
        ("app", "web", "sbxcompose.yaml", 7),
        ("app", "web", "bad.env", 1),
        ("app", "job", "bad.env", 1),
    ]


@each_case("key", ["env: {A: '$X'}", "setup: ['run $X']", "image: '$X'", "resources: {cpus: '$X'}"])
def test_a_variable_of_a_sandbox_concerns_its_processes(key: str) -> None:
    other = "db: {processes: {pg: {command: run}}}"
    text = f"sandboxes: {{app: {{{key}, processes: {{web: {{command: run}}}}}}, {other}}}"
    assert concerned(text) == [("app", None, "the variable `X` is not set")]
    project = load(text, lenient=True)
    project.check_resolved([("db", "pg")])
    with pytest.raises(InvalidSpec):
        project.check_resolved([("app", "web")])


@each_case(
    "text",
    [
        "name: $X\nprocesses: {web: {command: run}}",
        "provider: $X\nprocesses: {web: {command: run}}",
        "sandboxes: {app: {name: $X, processes: {web: {command: run}}}}",
        "include: [$X]\nprocesses: {web: {command: run}}",
    ],
)
def test_what_says_where_processes_are_is_needed_by_every_command(text: str) -> None:
    with pytest.raises(InvalidSpec):
        load(text, lenient=True)


def test_what_is_not_a_substitution_is_a_mistake_of_the_file() -> None:
    with pytest.raises(InvalidSpec):
        load("processes: {web: {command: 'run ${X'}}", lenient=True)


def test_all_mistakes_are_reported_together() -> None:
    text = "processes:\n  a: {command: $X, env_file: [no.env]}\n  b: {command: run, nonsense: 1}\n"
    said = mistakes(text)
    assert len(said) == 3
    assert "`X`" in said[0]
    assert "no.env" in said[1]
    assert "nonsense" in said[2]
