"""Snapshots: one that nobody would know is not left there, and none is begun twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from sbxcompose.api import snapshots
from sbxcompose.api.snapshots import SnapshotClient
from sbxcompose.api.wire import Answer, HttpRequest
from sbxcompose.errors import Refused, Unreachable

ROOT = "/v1/namespaces/default"


class Plane:
    """A control plane with the snapshots of sandboxes; `lose` is how many answers to their beginning are lost."""

    def __init__(self, status: str = "completed") -> None:
        self.status = status
        self.lose = 0
        self.unseen = 0
        """How many more lists do not have what was begun."""
        self.hold: asyncio.Event | None = None
        self.there: dict[str, str] = {"theirs": "other"}
        self.begun = 0
        self.looked = asyncio.Event()

    async def request(self, request: HttpRequest) -> Answer:
        rest = request.path.removeprefix(ROOT).strip("/")
        if request.method == "POST":
            self.begun += 1
            self.there[f"s{self.begun}"] = rest.split("/")[1]
            if self.hold is not None:
                await self.hold.wait()
            if self.lose:
                self.lose -= 1
                raise Unreachable("the connection broke")
            return answer(202, {"snapshot_id": f"s{self.begun}", "status": "in_progress"})
        if rest == "snapshots":
            self.unseen -= 1
            listed = [] if self.unseen >= 0 else [self.info(number) for number in self.there]
            return answer(200, {"snapshots": listed})
        number = rest.removeprefix("snapshots/")
        if request.method == "DELETE":
            del self.there[number]
            return answer(200, {})
        self.looked.set()
        return answer(200, self.info(number))

    def info(self, number: str) -> dict[str, Any]:
        return {"id": number, "sandbox_id": self.there[number], "status": self.status, "error": "no room"}


def answer(status: int, body: Any) -> Answer:
    import json

    return Answer(status, json.dumps(body).encode())


def taken(plane: Plane, patience: float = 1000.0) -> str:
    return asyncio.run(SnapshotClient(cast(Any, plane)).take("box", patience=patience)).id


def test_a_snapshot_whose_beginning_was_not_answered_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PAUSE", 0.0)
    plane = Plane()
    plane.lose, plane.unseen = 1, 2
    assert (taken(plane), plane.begun, set(plane.there)) == ("s1", 1, {"theirs", "s1"})


def test_one_that_cannot_be_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PAUSE", 0.0)
    plane = Plane()
    plane.lose, plane.unseen = 1, 1000
    with pytest.raises(Unreachable):
        taken(plane)
    assert plane.begun == 1


@pytest.mark.parametrize(
    "status, patience, error", [("failed", 1000.0, Refused), ("in_progress", 0.0, TimeoutError)], ids=["fails", "late"]
)
def test_one_that_is_of_no_use_is_deleted(status: str, patience: float, error: type[Exception]) -> None:
    plane = Plane(status)
    with pytest.raises(error):
        taken(plane, patience)
    assert set(plane.there) == {"theirs"}


@pytest.mark.parametrize("moment", ["before it is answered", "while it is waited for"])
def test_one_whose_command_is_interrupted_is_deleted(moment: str) -> None:
    async def main(plane: Plane) -> None:
        if moment == "before it is answered":
            plane.hold = asyncio.Event()
        reached: Callable[[], bool] = lambda: plane.begun > 0 if plane.hold is not None else plane.looked.is_set()  # noqa: E731
        taking = asyncio.ensure_future(SnapshotClient(cast(Any, plane)).take("box"))
        while not reached():
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.sleep(0)
        if plane.hold is not None:
            plane.hold.set()
        with pytest.raises(asyncio.CancelledError):
            await taking

    plane = Plane("in_progress")
    asyncio.run(main(plane))
    assert set(plane.there) == {"theirs"}
