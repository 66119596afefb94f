"""Which side of a copy is in a sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.client.copy_files import sides_of
from sbxcompose.errors import UnknownName, UsageError
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import process, project

PROJECT = project(process("web"), process("db"))


@each_case(
    "source, target, into, place, local",
    [
        ("web:a", "b", False, "a", "b"),
        ("a", "web:", True, "", "a"),
        ("./web:a", "main:/b", True, "/b", "./web:a"),
        (Path("web:a"), "web:b", True, "b", "web:a"),
        ("db:b", Path("web:a"), False, "b", "web:a"),
    ],
)
def test_one_side_is_in_a_sandbox(source: str | Path, target: str | Path, into: bool, place: str, local: str) -> None:
    sides = sides_of(PROJECT, source, target)
    assert (sides.into, sides.remote.path, sides.local) == (into, place, local)


@each_case("source, target, word", [("a", "b", "neither"), ("web:a", "db:b", "both"), (Path("web:a"), "b", "neither")])
def test_two_sides_of_the_same_kind_are_refused(source: str | Path, target: str | Path, word: str) -> None:
    with pytest.raises(UsageError, match=f"{word} of .* is in a sandbox") as caught:
        sides_of(PROJECT, source, target)
    assert caught.value.hint == "write one of them as `NAME:PATH`"


def test_a_mistyped_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownName, match="no sandbox or process named `weg`"):
        sides_of(PROJECT, "weg:a", "b")
    with pytest.raises(UsageError, match="no sandbox or process named `mian`") as caught:
        sides_of(PROJECT, "mian:a", "b")
    assert caught.value.hint == "did you mean `main`?"
