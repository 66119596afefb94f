"""A start without a name whose answer was lost: which row is it, if any."""

from __future__ import annotations

import pytest

from sbxcompose.api.models import ProcessInfo, StartRequest
from sbxcompose.engine.start_again import Ambiguous, unnamed_after_failure

REQUEST = StartRequest(command="sh", args=["-c", "make"])


def row(handle: int, command: str = "sh", args: tuple[str, ...] = ("-c", "make"), **more: object) -> ProcessInfo:
    """A row of the list."""
    body = {"pid": 100 + handle, "handle": handle, "status": "exited", "command": command, "args": list(args)}
    return ProcessInfo.read({**body, "started_at": 1_795_000_000_000, **more})


def test_the_one_row_that_was_not_there_before_is_it() -> None:
    found = unnamed_after_failure(REQUEST, {"/1"}, [row(1), row(2), row(3, "sleep"), row(4, args=("-c", "other"))])
    assert found is not None
    assert found.handle == 2


def test_none_was_started_if_there_is_no_new_row() -> None:
    assert unnamed_after_failure(REQUEST, {"/1"}, [row(1), row(3, "sleep")]) is None


def test_a_supervised_process_is_never_it() -> None:
    managed = {"id": "x", "name": "x", "status": "running", "restart_count": 0, "health_status": "disabled"}
    assert unnamed_after_failure(REQUEST, set(), [row(1, managed=managed)]) is None


def test_two_of_them_cannot_be_distinguished() -> None:
    with pytest.raises(Ambiguous):
        unnamed_after_failure(REQUEST, set(), [row(1), row(2)])
