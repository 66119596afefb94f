"""What is said of variables of Docker Compose that are set."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.cli.compose_variables import COUNTERPARTS, explain, found_in, names_in
from sbxcompose.errors import InvalidSpec, Mistake, SbxError, SpecNotFound
from sbxcompose.plan.scope import NothingSelected
from tests.unit.plan.plan_worlds import process, project

UNSET = InvalidSpec([Mistake("the variable `A` is not set")])
EVERY = dict.fromkeys(COUNTERPARTS, "x")


def test_those_are_found_that_have_a_meaning_there_and_of_which_ours_is_not_set() -> None:
    environ = {"COMPOSE_FILE": "x", "COMPOSE_PROFILES": "y", "SBXCOMPOSE_PROFILES": "y", "COMPOSE_OF_MINE": "z"}
    assert found_in(environ) == {"COMPOSE_FILE": "`SBXCOMPOSE_FILE` is read here"}
    assert list(found_in({}, ["COMPOSE_MENU", "PATH"])) == ["COMPOSE_MENU"]
    assert all("`" in text or text == "it has no counterpart here" for text in COUNTERPARTS.values())


def test_those_of_a_file_of_variables_are_found(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=1\nCOMPOSE_FILE=x\n export COMPOSE_PROFILES=y\n# COMPOSE_MENU=1\n\xff\n")
    assert names_in(str(path)) == ["COMPOSE_FILE", "COMPOSE_PROFILES"]
    assert names_in(str(tmp_path)) == []
    assert names_in(str(tmp_path / "none")) == []


@pytest.mark.parametrize(
    "error, name",
    [
        (SpecNotFound("no file"), "COMPOSE_FILE"),
        (NothingSelected(project(inactive=[process("web", profiles=("dev",))])), "COMPOSE_PROFILES"),
        (UNSET, "COMPOSE_ENV_FILES"),
    ],
)
def test_an_error_is_explained_by_the_variable_that_would_have_prevented_it(error: SbxError, name: str) -> None:
    expected = f"`{name}` is a variable of Docker Compose; `SBX{name}` is read here"
    assert explain(error, EVERY) == expected
    assert explain(error, {}) is None
    assert explain(error, {**EVERY, f"SBX{name}": "x"}) is None


def test_other_errors_are_not_explained() -> None:
    for error in (SbxError("no"), InvalidSpec([Mistake("unknown key")])):
        assert explain(error, EVERY) is None
