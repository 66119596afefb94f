"""What a worker tells of a test to the process that prints.

pytest-xdist sends six messages for each test, and what they cost both ends is more than most unit tests take. Nobody
sees a set-up and a tear-down that succeed at once, nor the keywords of a test that has passed: without them 3,000 empty
tests in one worker took 4.2 s of CPU in place of 5.6.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from _pytest.runner import runtestprotocol

SHOWN_FROM = 0.005
"""Seconds: `--durations` leaves out what takes less, unless it is asked for all."""


class WorkerReports:
    """The plugin of a worker that runs a test, and sends on what is worth a message."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a test as pytest does, without telling that it begins and ends."""
        for report in worth_sending(runtestprotocol(item, log=False, nextitem=nextitem)):
            item.ihook.pytest_runtest_logreport(report=report)
        return True


def is_worth_sending(report: pytest.TestReport) -> bool:
    """Return whether somebody sees a report."""
    return report.when == "call" or not report.passed or report.duration >= SHOWN_FROM


def worth_sending(reports: Iterable[pytest.TestReport]) -> list[pytest.TestReport]:
    """Return the reports of a test without those that nobody sees."""
    sent = [report for report in reports if is_worth_sending(report)]
    for report in sent:
        if report.passed:
            report.keywords = {}
    return sent
