from __future__ import annotations

import pytest

from tests.support.cases import each_case
from tests.support.parts import name_of, parts, parts_of


@each_case(
    "chosen, commit, found",
    [
        (None, "0000000", (0,)),
        (None, "c0d8f92" + "4" * 33, (2,)),
        ("", "0000003", (3,)),
        (None, "", (0,)),
        ("2/4", "0000000", (1,)),
        ("all", "0000000", (0, 1, 2, 3)),
    ],
)
def test_a_commit_has_one_part_unless_another_is_chosen(
    chosen: str | None, commit: str, found: tuple[int, ...]
) -> None:
    assert parts_of(chosen, commit) == found


@each_case("chosen", ["0/4", "5/4", "2/3", "2", "some"])
def test_another_value_is_refused(chosen: str) -> None:
    with pytest.raises(ValueError, match=f"TEST_PART is `{chosen}`; expected"):
        parts_of(chosen, "")


def test_the_name_of_a_part_chooses_it() -> None:
    assert all(parts_of(name_of(part), "") == (part,) for part in parts())
