"""Docker Compose projects of several files: `include`, `extends`, override files, files of variables."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sbxcompose.convert.convert import convert
from sbxcompose.convert.draft import NoteKind, ProjectDraft
from sbxcompose.errors import InvalidSpec
from sbxcompose.spec.nodes import Document
from tests.support.cases import each_case


def converted(files: Mapping[str, str]) -> ProjectDraft:
    """Convert the `compose.yaml` among these files."""
    return convert(Document("compose.yaml", "/p/compose.yaml", "/p", files["compose.yaml"]), "compose", files.get)


def places(draft: ProjectDraft, kind: NoteKind) -> list[str]:
    return [f"{note.file}:{note.line}: {note}" for note in draft.notes if note.kind is kind]


def test_an_override_file_is_laid_over_the_file_as_compose_does() -> None:
    base = (
        "services: {web: {command: x, environment: [A=1, B=1], depends_on: [db], ports: ['80:80']}, db: {image: redis}}"
    )
    over = "services: {web: {environment: {B: 2}, command: y, depends_on: {db: {condition: service_healthy}}}}"
    found = converted({"compose.yaml": base, "compose.override.yml": over})
    web = found.processes["web"]
    assert (web["command"], web["env"], web["depends_on"]) == ("y", {"A": "1", "B": "2"}, {"db": "ready"})
    assert "compose.override.yml:1: compose.override.yml: is laid over the file, as Compose does" in places(
        found, NoteKind.CHANGED
    )


def test_paths_of_included_files_start_at_those_files() -> None:
    files = {
        "compose.yaml": "include: [back/compose.yaml, {path: front.yaml}]\nservices: {web: {command: x}}",
        "back/compose.yaml": "services: {api: {build: ., env_file: a.env, volumes: ['./src:/app'], working_dir: /app}}",
        "back/Dockerfile": 'FROM x\nCMD [serve]\nCMD ["serve"]',
        "front.yaml": "services: {ui: {command: y, container_name: u}}",
    }
    found = converted(files)
    assert found.processes["api"] == {
        "command": ["serve"],
        "workdir": "back/src",
        "env_file": "back/a.env",
        "restart": "never",
    }
    assert found.processes.keys() == {"web", "api", "ui"}
    assert "front.yaml:1: ui.container_name: processes are named by their key" in places(found, NoteKind.DROPPED)


def test_a_service_extends_one_of_another_file() -> None:
    files = {
        "compose.yaml": "services: {web: {extends: {file: base/common.yaml, service: app}, command: y}}",
        "base/common.yaml": "services: {app: {extends: root, env_file: x.env}, root: {tty: true, command: z}}",
    }
    web = converted(files).processes["web"]
    assert web == {"command": "y", "env_file": "base/x.env", "tty": True, "restart": "never"}


@pytest.mark.parametrize(
    "text, words",
    [
        ("include: [gone.yaml]", "include: `gone.yaml` cannot be read: convert it, and name the result in `include`"),
        (
            "services: {a: {extends: {file: gone.yaml, service: b}}}",
            "extends: `b` of gone.yaml cannot be read: copy its",
        ),
        ("services: {a: {extends: b}}", "extends: no such service `b`: copy its keys"),
    ],
)
def test_a_file_that_is_not_there_is_reported(text: str, words: str) -> None:
    found = converted(
        {"compose.yaml": f"{text}\nx: 1" if "services" in text else f"{text}\nservices: {{a: {{command: x}}}}"}
    )
    assert any(words in place for place in places(found, NoteKind.MANUAL)), found.notes


@each_case(
    "files, words",
    [
        ({"compose.yaml": "include: [compose.yaml]\nservices: {a: {}}"}, "includes itself"),
        ({"compose.yaml": "include: [b.yaml]", "b.yaml": "include: [compose.yaml]"}, "includes itself"),
        ({"compose.yaml": "services: {a: {extends: b}, b: {extends: a}}"}, "extends itself"),
        ({"compose.yaml": "include: [b.yaml]", "b.yaml": "services: [\n"}, "this is not YAML"),
        (
            {"compose.yaml": "services:\n" + "".join(f"  s{n}: {{extends: s{n + 1}}}\n" for n in range(3000))},
            "extends itself",
        ),
    ],
    ids=["include", "include of two", "extends", "broken", "long chain"],
)
def test_loops_and_broken_files_are_mistakes_with_their_place(files: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        converted(files)
    assert words in caught.value.mistakes[0].message
    assert caught.value.mistakes[0].line >= 1


def test_files_that_include_each_other_many_times_are_read_once() -> None:
    files = {f"f{n}.yaml": f"include: [f{n + 1}.yaml, f{n + 1}.yaml]" for n in range(60)}
    files["compose.yaml"] = "include: [f0.yaml, f0.yaml]\nservices: {a: {command: x}}"
    files["f60.yaml"] = "services: {b: {command: y}}"
    assert converted(files).processes.keys() == {"a", "b"}


def test_variables_of_dot_env_say_where_a_build_and_a_port_are() -> None:
    files = {
        "compose.yaml": "services: {a: {build: {context: $DIR}, ports: ['${PORT_A}:80']}}",
        ".env": "DIR=src\nPORT_A=81\n",
        "src/Dockerfile": 'FROM nginx\nCMD ["nginx"]',
    }
    assert converted(files).processes["a"]["port"] == 81


def test_service_names_in_files_of_variables_are_left_to_a_person() -> None:
    files = {
        "compose.yaml": "services: {a: {command: x, env_file: [a.env]}, db: {image: postgres, ports: ['5433:5432']}}",
        "a.env": "URL=postgres://db:secret@db:5432/db\nNAME=db\n",
    }
    words = ":0: a.env: `URL` names a service: make it `postgres://db:secret@127.0.0.1:5433/db`"
    assert words in places(converted(files), NoteKind.MANUAL)
    assert sum("a.env" in place for place in places(converted(files), NoteKind.MANUAL)) == 1


@each_case(
    "tagged, expected",
    [
        ("ports: !reset []", None),
        ("ports: !reset null", None),
        ("ports: !override ['81:81']", 81),
        ("ports: ['81:81']", 81),
    ],
)
def test_the_tags_of_compose_take_back_and_replace(tagged: str, expected: int | None) -> None:
    files = {
        "compose.yaml": "services: {web: {command: x, ports: ['80:80'], environment: {A: 1}}}",
        "compose.override.yaml": f"services:\n  web:\n    environment: !override\n      B: 2\n    {tagged}\n",
    }
    found = converted(files)
    assert (found.processes["web"].get("port"), found.processes["web"]["env"]) == (expected, {"B": "2"})


def test_a_tag_beside_extends_is_followed_and_no_mistake() -> None:
    text = "services:\n  api: {command: x, ports: ['80:80']}\n  worker: {extends: api, ports: !reset []}\n"
    found = converted({"compose.yaml": text})
    assert "port" not in found.processes["worker"]
    assert places(found, NoteKind.MANUAL) == []
