"""What some work costs, in operations: the same number each time, however busy the machine is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from cProfile import Profile
from types import FrameType
from typing import Any


class OperationCounter:
    """A number of operations, 0 until they have been counted."""

    value = 0


@contextmanager
def calls_counted() -> Iterator[OperationCounter]:
    """Count the functions that are called while inside, those written in C included; also across `await`."""
    counter, profile = OperationCounter(), Profile()
    profile.enable()
    try:
        yield counter
    finally:
        profile.disable()
        counter.value = sum(entry.callcount for entry in profile.getstats())


def calls(work: Callable[[], object]) -> int:
    """Return how many functions are called, those written in C included."""
    with calls_counted() as counter:
        work()
    return counter.value


def lines(work: Callable[[], object]) -> int:
    """Return how many lines are executed, each turn of a loop counted."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return note

    before = sys.gettrace()
    sys.settrace(note)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
