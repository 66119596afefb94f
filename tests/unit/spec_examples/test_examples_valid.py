"""Every example is valid, for an independent validator of the schema and for our own loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from sbxcompose.spec.load import load_project
from sbxcompose.spec.request import LoadRequest
from tests.support.cases import each_case

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
FILES = sorted((ROOT / "examples").rglob("sbxcompose*.yaml"))


def identify(path: Path) -> str:
    return str(path.relative_to(ROOT / "examples"))


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "schemas" / "sbxcompose.schema.json").read_text())
    return content


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_validates_against_the_schema(path: Path, schema: dict[str, Any]) -> None:
    errors = Draft202012Validator(schema).iter_errors(yaml.safe_load(path.read_text()))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("key", ["comand", "depends-on"])
def test_the_schema_refuses_a_key_with_a_typo(key: str, schema: dict[str, Any]) -> None:
    wrong = {"processes": {"web": {"command": "true", key: "x"}}}
    assert not Draft202012Validator(schema).is_valid(wrong)


@each_case("directory", EXAMPLES, ids=identify)
def test_loads(directory: Path) -> None:
    project = load_project(LoadRequest(directory=str(directory)))
    assert project.directory == str(directory)
    assert list(project.processes())


@each_case("directory", EXAMPLES, ids=identify)
def test_says_what_it_is_for(directory: Path) -> None:
    assert (directory / "README.md").read_text().startswith("# ")
