from __future__ import annotations

from sbxcompose.client.new_output import NewOutput
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import process, project

NAMES = ProcessNames(project(process("web"), process("db"), process("web", sandbox="ui")))


def entries(new: NewOutput, sandbox: str) -> list[str]:
    return [entry["log"] for entry in new.entries(sandbox)]


@each_case(
    "texts,main,ui",
    [
        ((), ["*"], ["*"]),
        (("db",), ["db.*"], []),
        (("main/web", "db"), ["db.*", "web.*"], []),
        (("web.9*",), ["*"], ["*"]),
        (("ui/*",), [], ["*"]),
        (("gone",), [], []),
    ],
)
def test_what_is_asked_for_of_each_sandbox(texts: tuple[str, ...], main: list[str], ui: list[str]) -> None:
    new = NewOutput(NAMES, texts, (), 5)
    assert (entries(new, "main"), entries(new, "ui")) == (main, ui)
    assert all(entry["since_ms"] == 5 for entry in new.entries("main"))


@each_case(
    "texts,exclude,instance,wanted",
    [
        ((), (), Instance("main", "later"), True),
        ((), ("db",), Instance("main", "db", 2), False),
        ((), ("l*",), Instance("main", "later"), False),
        (("db",), (), Instance("main", "db", 2), True),
        (("db",), (), Instance("main", "later"), False),
        (("l*",), (), Instance("main", "later"), True),
        (("main/web",), (), Instance("ui", "web", 2), False),
    ],
)
def test_which_of_those_that_appear_are_wanted(
    texts: tuple[str, ...], exclude: tuple[str, ...], instance: Instance, *, wanted: bool
) -> None:
    assert NewOutput(NAMES, texts, exclude, 0).includes(instance) is wanted
