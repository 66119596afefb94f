from __future__ import annotations

from itertools import product

import pytest

from tests.support.cases import each_case


def compare(number: int, wanted: int) -> None:
    assert number + 1 == wanted


def failures_of(error: BaseException) -> list[str]:
    """The notes of all errors in a group and in the groups of it."""
    inner = getattr(error, "exceptions", ())
    return [*getattr(error, "__notes__", ()), *(note for failure in inner for note in failures_of(failure))]


def test_a_table_without_a_failure_passes() -> None:
    each_case("number, wanted", [(1, 2), (2, 3)])(compare)()


def test_the_only_failure_is_raised_as_it_is_and_names_its_case() -> None:
    with pytest.raises(AssertionError, match=r"assert \(?2 \+ 1") as caught:
        each_case("number, wanted", [(1, 2), (2, 4), (3, 4)])(compare)()
    assert failures_of(caught.value) == ["failed in the case: 2, 4"]


def test_all_failures_are_reported_with_their_cases() -> None:
    with pytest.raises(BaseExceptionGroup, match="2 of 3 cases failed") as caught:
        each_case("number, wanted", [(1, 3), (2, 3), (3, "x" * 100)])(compare)()
    assert failures_of(caught.value) == ["failed in the case: 1, 3", f"failed in the case: 3, '{'x' * 56}…"]


def test_what_pytest_itself_raises_is_a_failure_of_its_case() -> None:
    def fails(word: str) -> None:
        pytest.fail(word)

    with pytest.raises(BaseExceptionGroup) as caught:
        each_case("word", ["a", pytest.param("b", id="the second")])(fails)()
    assert failures_of(caught.value) == ["failed in the case: 'a'", "failed in the case: the second"]


def test_names_are_given_or_made() -> None:
    for ids, wanted in ((["one", "two"], ["one", "two"]), (str.upper, ["A-B", "C-D"])):
        with pytest.raises(BaseExceptionGroup) as caught:
            each_case("left, right", [("a", "b"), ("c", "d")], ids=ids)(lambda left, right: pytest.fail(left + right))()
        assert failures_of(caught.value) == [f"failed in the case: {name}" for name in wanted]


def test_a_row_of_another_length_or_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        each_case("left, right", [("a", "b"), ("c", "d")], ids=["one"])
    with pytest.raises(ValueError, match="shorter"):
        each_case("left, right", [("a",)])(compare)()
    with pytest.raises(AssertionError, match="the table is empty"):
        each_case("left", [])


SEEN: list[tuple[int, str]] = []


@each_case("number", [1, 2])
@each_case("word", ["a", "b"])
def test_several_tables_make_each_combination(number: int, word: str) -> None:
    SEEN.append((number, word))
    assert list(product([1, 2], ["a", "b"]))[: len(SEEN)] == SEEN


@each_case("number", [1, 2])
def test_other_arguments_are_fixtures(tmp_path: object, number: int) -> None:
    assert tmp_path is not None
