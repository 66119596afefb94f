"""What the keeper makes of requests that arrive together."""

from __future__ import annotations

from typing import Any, cast

from sbxcompose.host.keeper.endpoint import KeeperEndpoint, together
from sbxcompose.host.keeper.loop import Loop
from sbxcompose.host.keeper.protocol import Channel, KeeperFrame
from sbxcompose.host.keeper.spawn import Spawner
from sbxcompose.host.keeper.units import Units

Body = dict[str, Any]


class FakeLoop:
    """Calls what is watched when a test says so."""

    def watch(self, fd: int, call: Any) -> None:
        self.call = call

    def unwatch(self, fd: int) -> None:
        del self.call


class FakeChannel:
    """A server that has asked for some things, and what it was answered."""

    def __init__(self, *requests: Body) -> None:
        self._requests = requests
        self.answers: list[Body] = []

    def fileno(self) -> int:
        return 5

    def receive(self) -> tuple[list[KeeperFrame], bool]:
        return [KeeperFrame(body, []) for body in self._requests], True

    def queue(self, body: Body, fds: list[int]) -> None:
        self.answers.append(body)

    def flush(self) -> bool:
        return True


class FakeUnits:
    """Takes note of what is done; all units can be frozen but those named `ending`."""

    def __init__(self, broken: bool = False) -> None:
        self.done: list[tuple[str, list[str]]] = []
        self._broken = broken

    def __iter__(self) -> Any:
        return iter(())

    def freeze(self, names: list[str], *, again: bool) -> dict[str, str]:
        self.done.append(("freeze again" if again else "freeze", names))
        if self._broken:
            raise OSError("no /proc")
        return {name: f"group of {name}" for name in names if not name.startswith("ending")}

    def thaw(self, names: list[str]) -> list[str]:
        self.done.append(("thaw", names))
        return names


def asked(units: FakeUnits, *requests: Body) -> list[Body]:
    """The answers to what arrives at once."""
    loop, channel = FakeLoop(), FakeChannel(*requests)
    endpoint = KeeperEndpoint(cast(Loop, loop), cast(Units, units), cast(Spawner, None), "1:2")
    endpoint.open(cast(Channel, channel))
    loop.call()
    return channel.answers


def freeze(number: int, *units: str, **more: Any) -> Body:
    return {"op": "freeze", "id": number, "units": list(units), **more}


def test_freezing_many_sandboxes_at_once_looks_at_the_machine_as_often_as_for_one() -> None:
    units = FakeUnits()
    answers = asked(units, *(freeze(number, f"s{number}.1", f"s{number}.2") for number in range(200)))
    assert [what for what, _ in units.done] == ["freeze"]
    assert answers == [
        {"id": number, "result": {f"s{number}.{run}": f"group of s{number}.{run}" for run in (1, 2)}}
        for number in range(200)
    ]


def test_a_failed_freeze_is_reported_to_the_client_that_asked_for_it() -> None:
    answers = asked(FakeUnits(), freeze(1, "a"), freeze(2, "ending", "b"))
    assert [answer["result"] for answer in answers] == [{"a": "group of a"}, {"b": "group of b"}]
    answers = asked(FakeUnits(broken=True), freeze(1, "a"), freeze(2, "b"))
    assert answers == [{"id": number, "problem": "OSError: no /proc"} for number in (1, 2)]


def test_requests_keep_their_order() -> None:
    units = FakeUnits()
    thaw = {"op": "thaw", "id": 3, "units": ["a"]}
    asked(units, freeze(1, "a"), freeze(2, "b"), thaw, freeze(4, "a"), freeze(5, "c", again=True))
    assert units.done == [
        ("freeze", ["a", "b"]),
        ("thaw", ["a"]),
        ("freeze", ["a"]),
        ("freeze again", ["c"]),
    ]


def test_other_requests_are_answered_one_by_one() -> None:
    frames = [KeeperFrame({"op": "stop"}, []), KeeperFrame({"op": "stop"}, [])]
    assert list(together(frames)) == [[frame] for frame in frames]
