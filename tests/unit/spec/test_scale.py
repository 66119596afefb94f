"""Numbers of replicas that are asked for one after the other."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sbxcompose.errors import UnknownName
from sbxcompose.spec.scale import Scale, rescaled
from tests.support.cases import each_case

ADDRESSES = [("main", "web"), ("main", "work"), ("main", "db")]


@each_case(
    "before, asked, web, work, db",
    [
        ({}, {"web": 2}, 2, None, None),
        ({"web": 2}, {"web": 3}, 3, None, None),
        ({"web": 2}, {"db": 3}, 2, None, 3),
        ({"web": 2}, {"w*": 1}, 1, 1, None),
        ({"w*": 2}, {"web": 1}, 1, 2, None),
        ({"web": 2}, {"all": 4}, 4, 4, 4),
        ({"all": 4}, {"web": 1}, 1, 4, 4),
        ({"main/web": 2}, {"web": 1}, 1, None, None),
    ],
)
def test_the_later_number_counts(
    before: Mapping[str, int], asked: Mapping[str, int], web: int | None, work: int | None, db: int | None
) -> None:
    found = Scale(rescaled(before, asked, ADDRESSES), ADDRESSES).replicas
    assert [found.get(address) for address in ADDRESSES] == [web, work, db]


def test_an_unknown_name_changes_nothing() -> None:
    with pytest.raises(UnknownName):
        rescaled({"web": 2}, {"weg": 1}, ADDRESSES)
