from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.spec.interpolate import interpolate
from tests.support.cases import each_case

ENV = {"SET": "value", "EMPTY": "", "OTHER": "other"}


def value(text: str) -> str:
    made, problems = interpolate(text, ENV.get)
    assert not problems
    return made


def problems(text: str) -> list[str]:
    return [item.message for item in interpolate(text, ENV.get)[1]]


@each_case(
    "text,expected",
    [
        ("plain", "plain"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("a${SET}b$OTHER.c", "avaluebother.c"),
        ("${EMPTY}", ""),
        ("${NONE:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${NONE-default}", "default"),
        ("${SET:-default}", "value"),
        ("${SET:?needed}", "value"),
        ("${EMPTY?needed}", ""),
        ("${SET:+alt}", "alt"),
        ("${EMPTY:+alt}", ""),
        ("${EMPTY+alt}", "alt"),
        ("${NONE+alt}", ""),
        ("${NONE:-${OTHER}}", "other"),
        ("${NONE:-${NONE2:-${SET}-x}}", "value-x"),
        ("${NONE:-}", ""),
        ("${NONE:-a:b?c}", "a:b?c"),
        ("${NONE:-$$x}", "$x"),
        ('${NONE:-{"a": {"b": 1}}}.', '{"a": {"b": 1}}.'),
        ('${SET:-{"a": {"b": 1}}}.', "value."),
        ("${SET:-http://h/{id}/x}", "value"),
        ("${NONE:-http://h/{id}/${SET}}", "http://h/{id}/value"),
        ("${NONE:-$${SET}}", "${SET}"),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("$$$SET", "$value"),
        ("$1 $? $( ls ) $@ $", "$1 $? $( ls ) $@ $"),
        ("${SET}\n${OTHER}", "value\nother"),
    ],
)
def test_substitution(text: str, expected: str) -> None:
    assert value(text) == expected


@each_case(
    "text,message",
    [
        ("$NONE", "the variable `NONE` is not set"),
        ("${NONE}", "the variable `NONE` is not set"),
        ("${NONE:?}", "the variable `NONE` is not set"),
        ("${NONE:?say $SET}", "the variable `NONE` is not set: say value"),
        ("${EMPTY:?needed}", "the variable `EMPTY` is empty: needed"),
        ("${NONE:-${NONE2}}", "the variable `NONE2` is not set"),
        ("${SET", "`${SET` has no closing `}`, or is nested too deeply"),
        ('${SET:-{"a": 1}', '`${SET:-{"a": 1}` has no closing `}`, or is nested too deeply'),
        ("${}", "`${}` is not a substitution"),
        ("${1X}", "`${1X}` is not a substitution"),
        ("${SET%.*}", "`${SET%.*}` is not a substitution"),
        ("${#SET}", "`${#SET}` is not a substitution"),
    ],
)
def test_problems(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_all_problems_at_once() -> None:
    assert problems("$A ${B} $SET ${C%x}") == [
        "the variable `A` is not set",
        "the variable `B` is not set",
        "`${C%x}` is not a substitution",
    ]


def test_a_swallowed_dollar_has_a_hint() -> None:
    (problem,) = interpolate("echo $HOME", ENV.get)[1]
    assert problem.hint is not None
    assert "`$$HOME`" in problem.hint
    assert problem.expression == "$HOME"


def test_only_the_branch_that_is_taken_is_looked_up() -> None:
    asked: list[str] = []

    def lookup(name: str) -> str | None:
        asked.append(name)
        return ENV.get(name)

    assert interpolate("${SET:-${NONE}}", lookup) == ("value", [])
    assert asked == ["SET"]


def test_deep_nesting_is_a_problem_and_no_crash() -> None:
    assert problems("${A:-" * 100_000 + "x" + "}" * 100_000)[0].endswith("or is nested too deeply")


@given(st.text(alphabet="${}:-?+A1 x"))
def test_any_text_gives_text(text: str) -> None:
    made, _ = interpolate(text, {"A": "$A{"}.get)
    assert isinstance(made, str)


@given(st.text())
def test_an_escaped_text_means_itself(text: str) -> None:
    assert interpolate(text.replace("$", "$$"), ENV.get) == (text, [])
