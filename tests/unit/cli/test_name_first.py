from __future__ import annotations

import pytest

from sbxcompose.cli.name_first import explain_order
from sbxcompose.errors import UnknownName
from sbxcompose.plan.names import ProcessNames
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import process, project

SHOP = project(process("api"), process("db"))
DEFINED = "the file defines `api`, `db`"


def hint_of(*words: str) -> str | None:
    with pytest.raises(UnknownName) as caught:
        ProcessNames(SHOP).resolve(words[0])
    explain_order(caught.value, "run", words, SHOP)
    return caught.value.hint


@each_case(
    "words,shown",
    [
        (("sh", "-c", "echo hi"), "sh -c 'echo hi'"),
        (("npm start",), "sh -c 'npm start'"),
        (("./manage.py", "migrate"), "./manage.py migrate"),
        (("env", "A=1\nB=2"), "COMMAND"),
        (("sh", "-c", "x" * 80), "COMMAND"),
    ],
)
def test_a_command_in_the_place_of_a_process_is_answered_with_the_order(words: tuple[str, ...], shown: str) -> None:
    assert hint_of(*words) == f"name a process first: `sbxcompose run api {shown}` ({DEFINED})"


@each_case(
    "words,hint",
    [
        (("aip", "sh"), "did you mean `api`?"),
        (("no-such-program-anywhere", "x"), DEFINED),
        (("main", "sh"), "`main` is a sandbox; `main/*` means its processes (`api`, `db`)"),
    ],
)
def test_other_words_are_names(words: tuple[str, ...], hint: str) -> None:
    assert hint_of(*words) == hint
