from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from sbxcompose.spec.reference import renewed
from sbxcompose.spec.resolved import resolved
from sbxcompose.spec.schema import FILE_NAME, generate, schema_text
from tests.support.cases import each_case
from tests.support.spec_files import load, mistakes
from tests.unit.spec.test_spec_load import DESIGN
from tests.unit.spec.test_spec_resolved import CLOUD

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads(schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_current() -> None:
    hint = "renew it: python -m sbxcompose.spec.schema > schemas/sbxcompose.schema.json"
    text = (ROOT / "schemas" / FILE_NAME).read_text()
    assert text == generate(), hint
    assert schema_text() == text


def test_the_reference_is_current() -> None:
    page = (ROOT / "docs" / "spec.md").read_text()
    assert page == renewed(page), "renew it: python -m sbxcompose.spec.reference docs/spec.md"
    for name in SCHEMA["$defs"].keys() - {"Interpolated"}:
        assert f"<!-- keys of {name} -->" in page


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        for key, item in schema.get("properties", {}).items():
            yield f"{path}.{key}", item
        for key, entry in schema.items():
            yield from properties(entry, f"{path}.{key}")


def test_every_key_has_a_description() -> None:
    bare = [path for path, key in properties(SCHEMA) if len(key.get("description", "")) < 10]
    assert not bare
    assert len(list(properties(SCHEMA))) > 60


POSITIVE = [
    DESIGN,
    CLOUD,
    "processes: {web: {command: true}}",
    "processes: {web: {command: [sleep, 5, true]}}",
    "processes: {web: {command: x, user: 1000, restart: always, env: {A: 1, B: true, C: }, replicas: 3}}",
    "processes: {web: {command: x, replicas: '$N', restart: '$R', health_check: {tcp: '$P', interval: '${I:-1s}'}}}",
    "processes: {web: {command: x, env: [A=1, B], env_file: a.env, inherit_env: [PATH]}}",
    "processes: {web: {command: x, env_file: [a.env, {path: b.env, required: false}]}}",
    "processes: {web: {command: x, health_check: {http: 80, initial_delay: 0}, ready_when: {exec: [a, 1]}}}",
    "processes: {web: {command: x, depends_on: db}, db: {command: x, depends_on: {log: }}, log: {command: x}}",
    "processes: {web: {command: x, depends_on: {db: started}}, db: {command: x}}",
    "processes: {web: {command: x, stop: {signal: 9, grace: 1m30s}, watch: [a, {path: b, run: make}]}}",
    "x-a: 1\nprocesses: {web: {command: x, x-b: 2, health_check: , depends_on: }}",
    "sandboxes: {app: , db: {x-c: 3, timeout: 0, files: [a], ports: [443, $P], image: ubuntu}}",
    "include: a.yaml\nprofiles: [dev]\nenv: {A: 1}\nsecrets: [T]\nprovider: tensorlake",
    "include: [a.yaml]\nname: a-b",
]
FILES = {"a.env": "", "b.env": "", "a.yaml": "processes: {web: {command: x, profiles: [dev]}}"}
ENV = {"N": "2", "R": "never", "P": "80"}

NEGATIVE = [
    "[]",
    "text",
    "services: {}",
    "processes: []",
    "processes: {a b: {command: x}}",
    "processes: {web: }",
    "processes: {web: {}}",
    "processes: {web: {command: }}",
    "processes: {web: {command: []}}",
    "processes: {web: {command: {a: b}}}",
    "processes: {web: {command: x, comand: y}}",
    "processes: {web: {command: x, replicas: two}}",
    "processes: {web: {command: x, replicas: 1.5}}",
    "processes: {web: {command: x, restart: no}}",
    "processes: {web: {command: x, restart: {max_restarts: -1}}}",
    "processes: {web: {command: x, health_check: 80}}",
    "processes: {web: {command: x, health_check: {tcp: 0}}}",
    "processes: {web: {command: x, health_check: {tcp: 1, interval: 5}}}",
    "processes: {web: {command: x, health_check: {tcp: 1, interval: 5x}}}",
    "processes: {web: {command: x, depends_on: {web: service_healthy}}}",
    "processes: {web: {command: x, stop: SIGINT}}",
    "processes: {web: {command: x, stdin: tty}}",
    "processes: {web: {command: x, env: [=1]}}",
    "processes: {web: {command: x, env: {A: [1]}}}",
    "processes: {web: {command: x, profiles: dev}}",
    "processes: {web: {command: x, watch: [{action: sync}]}}",
    "processes: {web: {command: x, user: ''}}",
    "processes: {web: {command: x, ports: [1]}}",
    "sandboxes: {app: {ports: [99999]}}",
    "sandboxes: {app: {ports: ['80:80']}}",
    "sandboxes: {app: {resources: {memory: 512}}}",
    "sandboxes: {app: {resources: {cpus: 0}}}",
    "sandboxes: {app: {workspace: data}}",
    "sandboxes: {app: {name: My-App}}",
    "sandboxes: {app: {files: [{to: x}]}}",
    "sandboxes: {app: {file_systems: [{id: a}]}}",
    "sandboxes: {app: }\nprovider: docker",
    "sandboxes: {app: }\nname: a_b",
    "sandboxes: {app: }\ninclude: [1]",
]


@each_case("text", POSITIVE)
def test_what_we_take_the_schema_takes(text: str) -> None:
    project = load(text, ENV, FILES)
    VALIDATOR.validate(yaml.safe_load(text))
    VALIDATOR.validate(json.loads(json.dumps(resolved(project))))


@each_case("text", NEGATIVE)
def test_what_we_refuse_the_schema_refuses(text: str) -> None:
    assert mistakes(text, ENV, FILES)
    # The words of YAML 1.1 that are booleans there are text here, as they are for editors.
    document = yaml.safe_load(text.replace(": no}", ": 'no'}"))
    assert not VALIDATOR.is_valid(document)
