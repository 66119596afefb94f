"""What a network policy comes to on one machine, and which one is refused."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper import namespaces
from sbxcompose.host.supervise import network
from tests.support.cases import each_case

NOWHERE = {"allow_internet_access": False}


@pytest.fixture(autouse=True)
def untried() -> Iterator[None]:
    """What was found out about this machine before does not count."""
    network._try.cache_clear()
    yield
    network._try.cache_clear()


@each_case("policy", [None, {}, {"allow_internet_access": True, "allow_out": [], "deny_out": []}, {"allow_out": None}])
def test_what_forbids_nothing_is_open(policy: dict[str, Any] | None) -> None:
    assert network.policy_of(policy) == "open"
    network.check(policy)


@pytest.mark.parametrize(
    "policy",
    [
        NOWHERE,
        {**NOWHERE, "allow_out": [], "deny_out": ["10.0.0.0/8"]},
        {"allow_internet_access": True, "deny_out": ["0.0.0.0/0"]},
    ],
)
def test_what_allows_nothing_is_closed(policy: dict[str, Any]) -> None:
    assert network.policy_of(policy) == "closed"


@each_case(
    "policy, which",
    [
        ({"deny_out": ["10.0.0.0/8"]}, "deny_out"),
        ({"allow_out": ["10.0.0.0/8"]}, "allow_out"),
        ({**NOWHERE, "allow_out": ["example.com"]}, "allow_out"),
        ({"allow_out": ["10.0.0.1"], "deny_out": ["0.0.0.0/0"]}, "allow_out"),
    ],
)
def test_what_lies_between_is_refused(policy: dict[str, Any], which: str) -> None:
    with pytest.raises(Problem, match=f"network.{which} cannot be enforced on this machine") as raised:
        network.check(policy)
    assert (raised.value.status, raised.value.code) == (400, "UNSUPPORTED")


@pytest.mark.parametrize(
    "policy, words",
    [
        ({"allow_internet_access": "no"}, "network.allow_internet_access must be true or false"),
        ({"allow_out": "1.1.1.1"}, "network.allow_out must be a list, each entry a string"),
        ({"deny_out": [1]}, "network.deny_out must be a list, each entry a string"),
    ],
)
def test_what_is_not_a_policy_is_reported(policy: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem) as raised:
        network.check(policy)
    assert (raised.value.status, raised.value.error) == (422, words)


def test_without_the_right_to_make_networks_a_closed_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden() -> int:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(namespaces, "make", forbidden)
    with pytest.raises(Problem, match="network namespaces need root") as raised:
        network.check(NOWHERE)
    assert (raised.value.status, raised.value.code) == (400, "UNSUPPORTED")
    network.check(None)


def test_under_a_living_sandbox_only_the_wording_may_change() -> None:
    network.check_change(NOWHERE, {**NOWHERE, "deny_out": ["10.0.0.0/8"]})
    network.check_change(None, {"allow_internet_access": True})
    for before, after in ((None, NOWHERE), (NOWHERE, None)):
        with pytest.raises(Problem, match="cannot be changed while it lives"):
            network.check_change(before, after)
