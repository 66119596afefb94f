"""A network policy of the file against that of a sandbox that is there."""

from __future__ import annotations

from typing import Any

import pytest

from sbxcompose.engine.network import is_enforced, policy_of
from sbxcompose.spec.machine import Network
from tests.support.cases import each_case

CLOSED = Network(allow_internet_access=False)


def test_what_forbids_nothing_is_not_sent() -> None:
    assert policy_of(None) is None
    assert policy_of(Network()) is None
    told = policy_of(Network(deny_out=("1.1.1.1",)))
    assert told == {"allow_internet_access": True, "allow_out": [], "deny_out": ["1.1.1.1"]}


@each_case(
    "wanted, found",
    [
        (None, None),
        (Network(), None),
        (None, {"allow_internet_access": True, "allow_out": None}),
        (CLOSED, {"allow_internet_access": False}),
        (CLOSED, policy_of(CLOSED)),
    ],
)
def test_the_same_in_other_words_is_the_same(wanted: Network | None, found: dict[str, Any] | None) -> None:
    assert is_enforced(wanted, found)


@pytest.mark.parametrize("wanted, found", [(CLOSED, None), (None, {"allow_internet_access": False})])
def test_another_policy_is_another(wanted: Network | None, found: dict[str, Any] | None) -> None:
    assert not is_enforced(wanted, found)
