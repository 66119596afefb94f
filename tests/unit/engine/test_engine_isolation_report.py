"""What people are told of the isolation of sandboxes that programs create."""

from __future__ import annotations

import pytest

from sbxcompose.engine.check_local import isolated
from sbxcompose.engine.checks import CheckStatus
from sbxcompose.engine.local_host.isolation import IsolationReport, described, shortfall

REFUSED = ("the sandbox cannot be isolated: making namespaces: operation not permitted", "run it as root")


def test_a_machine_that_permits_it() -> None:
    for mode in ("auto", "overlay"):
        report = IsolationReport(mode)
        assert described(report) == "sandboxes that programs create are isolated"
        assert shortfall(report) is None
        assert (isolated(report).health, isolated(report).text) == (
            CheckStatus.GOOD,
            "sandboxes can be isolated; those that programs create are",
        )


def test_isolation_that_is_switched_off_is_told_and_nothing_is_missing() -> None:
    for report in (IsolationReport("none"), IsolationReport("none", *REFUSED)):
        assert described(report).endswith("share the files of this machine: isolation is switched off")
        assert shortfall(report) is None
    assert isolated(IsolationReport("none")).text.endswith("are not, as it is switched off")


@pytest.mark.parametrize(
    "mode, consequence",
    [
        ("auto", "sandboxes that programs create are not isolated and share the files of this machine"),
        ("overlay", "programs can create no sandboxes"),
    ],
)
def test_a_machine_that_refuses_it(mode: str, consequence: str) -> None:
    report = IsolationReport(mode, *REFUSED)
    assert described(report) == f"{consequence}: making namespaces: operation not permitted (run it as root)"
    assert shortfall(report) == described(report)
    check = isolated(report)
    assert (check.health, check.fix) == (CheckStatus.NOTE, "run it as root")
    assert check.text.startswith("this machine cannot isolate sandboxes: making namespaces: operation not permitted")
    assert ("share its files" in check.text) is (mode == "auto")
