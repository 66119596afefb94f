"""What the keeper's client remembers: units, so that it can hand them on, and requests without an answer."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable
from typing import Any

from sbxcompose.host.keeper.inits import PREFIX
from sbxcompose.host.keeper.messages import FD_NAMES

Body = dict[str, Any]
TakeAnswer = Callable[[Body, list[int]], None]
"""Is given each part of an answer, and the descriptors that came with it."""


RESERVE = 12
"""Descriptors that must be free for one more unit: two for each of its pipes, its log, and what the answer needs."""


def has_room() -> bool:
    """Return whether this process has descriptors for one more unit. The system gives the lowest free number."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # To count the entries of /proc/self/fd would take longer with each unit.
    try:
        lowest = os.dup(2)
    except OSError:
        return False
    os.close(lowest)
    return lowest < limit - RESERVE or limit == resource.RLIM_INFINITY


class CachedUnit:
    """What the client must know to hand a unit to a new keeper."""

    __slots__ = (
        "adopter",
        "at",
        "exited",
        "fds",
        "frozen",
        "inside",
        "kill_count",
        "leader",
        "limited",
        "meta",
        "pid",
        "sigkilled",
        "stop",
        "tag",
        "ticks",
        "unit",
    )

    def __init__(self, body: Body, fds: dict[str, int]) -> None:
        self.unit: str = body["unit"]
        self.pid: int = body["pid"]
        self.at: float = body["at"]
        self.tag: int | None = body["tag"]
        # A keeper of an older version, which this server was started by, does not tell what `get` asks for.
        self.ticks: int = body.get("ticks", 0)
        self.inside: str | None = body.get("inside")
        self.adopter: int | None = body.get("adopter")
        self.limited = bool(body.get("limited"))
        self.sigkilled = bool(body.get("sigkilled"))
        self.kill_count: list[str | int] | None = body.get("kill_count")
        self.meta: str = body["meta"]
        self.exited: Body | None = body.get("exited")
        self.frozen: str | list[list[int]] | None = body.get("frozen")
        self.leader: list[float | None] | None = body.get("leader")
        self.stop: list[float] | None = body.get("stop")
        # Copies: the run closes its own at the end of its output, and the next keeper must get them all the same.
        self.fds = {name: fd if name == "pidfd" else os.dup(fd) for name, fd in fds.items()}

    def write(self) -> tuple[Body, list[int]]:
        """As a keeper takes it over: the object, and the descriptors that go with it."""
        body = {name: getattr(self, name) for name in self.__slots__ if name != "fds"}
        return {**body, "fds": list(self.fds)}, list(self.fds.values())

    def drop(self, name: str) -> None:
        """Close one of its descriptors, if it is open."""
        fd = self.fds.pop(name, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        """Close them all."""
        for name in FD_NAMES:
            self.drop(name)


class KnownUnits:
    """The units that the client holds, and the other descriptors that it was given to keep, by their names."""

    def __init__(self) -> None:
        self.units: dict[str, CachedUnit] = {}
        self.kept: dict[str, int] = {}

    def learn(self, body: Body, fds: list[int]) -> dict[str, int]:
        """Remember a unit, and take its descriptors from the frame's."""
        mine = {name: fds.pop(0) for name in body["fds"]}
        old = self.units.pop(body["unit"], None)
        if old is not None:
            old.close()
        self.units[body["unit"]] = CachedUnit(body, mine)
        mine.pop("pidfd", None)  # stays with us
        # A property of the open file, and so of the keeper's copy, too.
        for fd in mine.values():
            os.set_blocking(fd, False)
        return mine

    def learn_kept(self, name: str, fd: int) -> None:
        """Remember a descriptor, in place of one of the same name only for an init process that was started anew."""
        known = self.kept.get(name)
        if known is not None and not name.startswith(PREFIX):
            os.close(fd)
            return
        self.kept[name] = fd
        if known is not None:  # another init process has taken the place of one that ended
            os.close(known)

    def close(self) -> None:
        """Close all descriptors."""
        for unit in self.units.values():
            unit.close()
        self.units.clear()
        for fd in self.kept.values():
            os.close(fd)
        self.kept.clear()


class PendingRequest:
    """A request without its whole answer."""

    __slots__ = ("body", "future", "sent", "spawns", "take")

    def __init__(self, body: Body, future: asyncio.Future[Any], take: TakeAnswer, spawns: dict[int, Body]) -> None:
        self.body = body
        self.sent = False
        self.future = future
        self.take = take
        self.spawns = spawns
        """What it asks to be started and has not been answered, by index."""


def check_signal(number: int) -> None:
    """Raise `ValueError` for what is not a signal on Linux."""
    # By number: `signal.Signals` has no names for the real-time signals between its first and its last.
    if not 1 <= number <= 64:
        raise ValueError(f"invalid signal {number}")


def retrieve(future: asyncio.Future[Any]) -> None:
    """Consume a failure that no caller awaits, so that asyncio does not report it."""
    if not future.cancelled():
        future.exception()


async def read_all(loop: asyncio.AbstractEventLoop, fd: int) -> bytes:
    """Return what is written to a pipe until its other end is closed; closes this end."""
    os.set_blocking(fd, False)
    data = bytearray()
    ended = loop.create_future()

    def readable() -> None:
        piece = os.read(fd, 4096)
        data.extend(piece)
        if not piece and not ended.done():
            ended.set_result(None)

    loop.add_reader(fd, readable)
    try:
        await ended
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return bytes(data)
