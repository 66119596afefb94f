"""Waiting for what nobody tells: a state that only a question shows.

A loop that asks without a pause takes a whole processor, and the one that answers takes another: on a busy machine both
are taken from what is waited for. So the pauses begin with a millisecond, and double up to a fiftieth of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
FIRST, LONGEST = 0.001, 0.02
"""Seconds between two questions."""
LIMIT = 120.0
"""Seconds after which the test fails."""


def until(ask: Callable[[], T], good: Callable[[T], object] = bool, *, what: str = "", seconds: float = LIMIT) -> T:
    """Ask until the answer is good, by default a true one; that answer.

    Raises `AssertionError` with the last answer, and `what` was waited for, when the time is over.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST
    while not good(answer := ask()):
        assert time.monotonic() < deadline, f"{what or 'waited in vain'}; the last answer: {answer!r}"
        time.sleep(pause)
        pause = min(2 * pause, LONGEST)
    return answer
