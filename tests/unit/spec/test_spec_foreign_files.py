"""Files of other tools: each is answered with one message that says whose it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.errors import InvalidSpec
from sbxcompose.spec.foreign_files import GUIDE, Tool, by_name, other_file
from tests.support.cases import each_case
from tests.support.spec_files import load, mistakes

COMPOSE = "a Docker Compose file"
PROCESS_COMPOSE = "a process-compose file"
SUPERVISORD = "a supervisord configuration"
PM2 = "a pm2 file"
MPROCS = "an mprocs file"
TILT = "a Tiltfile"


def tool(name: str, text: str) -> str | None:
    """Whose file it is said to be, if that is all that is said."""
    found = mistakes(None, {}, {name: text}, named=(name,))
    start = "0:0: this is " if name == "sbxcompose.yaml" else f"{name}:0:0: this is "
    if len(found) != 1 or not found[0].startswith(start):
        return None
    return found[0].removeprefix(start).removesuffix(", which sbxcompose does not read")


@each_case(
    "name,text,expected",
    [
        ("compose.yaml", 'version: "3"\nservices: {db: {image: postgres, ports: ["1:2"]}}\nvolumes: {a: }', COMPOSE),
        ("docker-compose.prod.yml", "services: {db: {image: '${X:?set X}'}}", COMPOSE),
        ("compose.yaml", "include: [other.yaml]", COMPOSE),
        ("compose.yaml", "services:\n  db: {ports: !reset []}\n  x: {a: 'b\n", COMPOSE),
        ("dev.yaml", "services: {db: {image: postgres}}", COMPOSE),
        ("sbxcompose.yaml", "services: {db: {image: postgres}}", COMPOSE),
        ("docker-compose.yml", "web:\n  build: .\n", COMPOSE),
        ("old.yml", "db:\n  image: postgres\n", COMPOSE),
        ("process-compose.yaml", 'version: "0.5"\nprocesses: {web: {command: a}}', PROCESS_COMPOSE),
        ("process-compose.dev.yml", "processes: {web: {command: a, environment: [A=1]}}", PROCESS_COMPOSE),
        ("compose.yaml", "processes: {web: {command: a, readiness_probe: {}}}", PROCESS_COMPOSE),
        ("dev.yaml", "processes: {web: {command: a, availability: {restart: always}}}", PROCESS_COMPOSE),
        ("dev.yaml", "processes: {b: {depends_on: {a: {condition: process_healthy}}}}", PROCESS_COMPOSE),
        (
            "sbxcompose.yaml",
            'version: "0.5"\nis_strict: true\nprocesses: {web: {command: a, shutdown: {signal: 2}}}',
            PROCESS_COMPOSE,
        ),
        ("supervisord.conf", "; mine\n[supervisord]\nnodaemon=true\n[program:web]\ncommand=a\n", SUPERVISORD),
        ("web.ini", "[program:web]\ncommand=a\n", SUPERVISORD),
        ("ecosystem.config.js", "module.exports = {\n  apps: [{name: 'a', script: 'a.js'}],\n};\n", PM2),
        ("conf.mjs", "const x = 1\nexport default { apps: [] }\n", PM2),
        ("process.config.js", "module.exports = {\n  script: 'a.js'\n}\n", PM2),
        ("process.json", '{"apps": {"script": "a.js", "treekill": false}}', PM2),
        ("echo.json", '{"script": "a.js", "instances": 2}', PM2),
        ("process.yml", "- script: a.js\n  name: a\n", PM2),
        ("pm2.yaml", "apps:\n  - script: a.js\n", PM2),
        ("processes.json", '{"apps": [{"script": "a.js"}]}', PM2),
        ("mprocs.yaml", "procs:\n  web: {shell: a, autostart: false}\n  'a b': {cmd: [x]}\n", MPROCS),
        ("mine.yaml", "procs: {web: {shell: a}}", MPROCS),
        ("Tiltfile", "print('hello')\n", TILT),
        ("Tiltfile.dev", "k8s_yaml('a.yaml')\n", TILT),
        ("tilt", "# mine\nlocal_resource('a',\n  cmd='b')\n", TILT),
    ],
)
def test_what_is_recognised(name: str, text: str, expected: str) -> None:
    assert tool(name, text) == expected


@each_case(
    "name,text",
    [
        ("process-compose.yaml", "processes: {web: {command: a}}"),
        ("compose.yaml", "sandboxes: {app: {processes: {services: {command: a}}}}"),
        ("dev.yaml", "processes: {procs: {command: 'module.exports = {apps: 1}'}}"),
        ("Procfile", "services: ./a\nprocs: ./b\n"),
        ("Procfile.dev", "k8s_yaml: ./a\n"),
    ],
)
def test_what_is_valid_here_is_ours(name: str, text: str) -> None:
    assert list(load(None, {}, {name: text}, named=(name,)).processes())


@each_case(
    "text,expected",
    [
        ('version: "0.5"\nprocesses: {web: {command: a}}', ["1:1: unknown key `version`"]),
        ("processes: {web: {command: a, availability: {}}}", ["1:31: unknown key `availability`"]),
        ("app: {image: x}\nprocesses: {web: {command: a}}", ["1:1: unknown key `app`"]),
        ("services: {}\nprocesses: {web: {command: a}}", ["1:1: unknown key `services`"]),
    ],
)
def test_a_key_or_two_in_our_own_file_are_answered_one_by_one(text: str, expected: list[str]) -> None:
    assert mistakes(text) == expected


def test_our_own_keys_tell_a_file_of_any_name() -> None:
    text = "processes: {web: {command: a, health_check: {tcp: 80}, is_tty: true}}"
    assert mistakes(None, {}, {"dev.yaml": text}, named=("dev.yaml",)) == ["dev.yaml:1:56: unknown key `is_tty`"]


def test_an_included_file_and_the_mistakes_of_others() -> None:
    files = {"compose.yaml": "services: {db: {image: x}}", ".env": "NOT A LINE"}
    found = mistakes("include: compose.yaml\nnonsense: 1", {}, files)
    assert found == ["compose.yaml:0:0: this is a Docker Compose file, which sbxcompose does not read"]


def test_the_remedy_does_not_write_over_what_it_reads() -> None:
    assert Tool.COMPOSE.remedy("sbxcompose.yaml").startswith(
        "rename it to `docker-compose.yaml`; `sbxcompose convert docker-compose.yaml -o sbxcompose.yaml` converts it; "
    )


def test_the_remedy_leads_to_the_guide() -> None:
    with pytest.raises(InvalidSpec) as caught:
        load(None, {}, {"compose.yaml": "services: {a: }"}, named=("compose.yaml",))
    assert f"{GUIDE}#docker-compose" in (caught.value.mistakes[0].hint or "")


@each_case("name", ["Procfile", "sbxcompose.yaml", "composer.json", "package.json", "README.md"])
def test_names_that_say_nothing(name: str) -> None:
    assert by_name(name) is None


@each_case(
    "names,words",
    [
        (["README.md", "src"], None),
        (
            ["Procfile.a", "Procfile.dev", "compose.yaml"],
            "there is a `Procfile.dev`: run `sbxcompose -f Procfile.dev up`",
        ),
        (["my dev.Procfile"], "there is a `my dev.Procfile`: run `sbxcompose -f 'my dev.Procfile' up`"),
        (["compose.yaml"], "`compose.yaml` is a Docker Compose file: `sbxcompose convert compose.yaml"),
        (
            ["src", "process-compose.yaml"],
            "`process-compose.yaml` is a process-compose file: `sbxcompose convert process-compose.yaml",
        ),
    ],
)
def test_a_folder_with_another_file(names: list[str], words: str | None) -> None:
    found = other_file(names)
    assert found is None if words is None else (found or "").startswith(words)


def test_each_tool_has_a_section_in_the_guide() -> None:
    page = (Path(__file__).parents[3] / "docs" / "from-other-tools.md").read_text()
    headings = {
        line.removeprefix("## ").lower().replace(" ", "-") for line in page.split("\n") if line.startswith("## ")
    }
    assert headings == {item.value[1] for item in Tool}
