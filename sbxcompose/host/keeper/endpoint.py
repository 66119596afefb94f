"""Answers what the server asks: requests in, answers and ends out, over one channel at a time."""

from __future__ import annotations

import errno
from itertools import groupby

from sbxcompose.host.keeper.escaped import sweep
from sbxcompose.host.keeper.execution import BaseEnvironment
from sbxcompose.host.keeper.explain import CannotSpawn
from sbxcompose.host.keeper.inits import PREFIX
from sbxcompose.host.keeper.oom import KillCount
from sbxcompose.host.keeper.protocol import Channel, KeeperFrame, chunked
from sbxcompose.host.keeper.unit import Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from sbxcompose.host.keeper.loop import Loop
    from sbxcompose.host.keeper.spawn import Spawner
    from sbxcompose.host.keeper.units import Units

    Body = dict[str, Any]

SLICE = 8
"""Processes started in one turn of the loop; between turns exits are noticed and other requests heard."""


class _Batch:
    """A request to spawn, of which some processes have not been started yet."""

    __slots__ = ("again", "base", "left", "request")

    def __init__(self, body: Body) -> None:
        self.request: int = body["id"]
        self.base = BaseEnvironment(body["base"])
        self.left: list[Body] = body["spawns"][::-1]
        self.again = bool(body.get("again"))
        """Asked of a keeper before, which has died and may have begun."""


class KeeperEndpoint:
    """The keeper's side of the channel to the server of the moment."""

    def __init__(self, loop: Loop, units: Units, spawner: Spawner, host: str) -> None:
        self._host = host
        self._loop = loop
        self._units = units
        self._spawner = spawner
        self._channel: Channel | None = None
        self._batches: list[_Batch] = []
        self._blocked = False
        self.wanted = False
        """Whether the last server has said that something runs, or is to be started again."""
        self.spoke = False
        """Whether the server of the moment has said anything yet: it did start."""

    @property
    def busy(self) -> bool:
        """There are processes to be started, and the server hears of it."""
        return bool(self._batches) and not self._blocked

    def open(self, channel: Channel) -> None:
        """Speak to a new server. It knows of no unit yet, unless it hands them over."""
        self.close()
        self._channel = channel
        self._blocked = False
        self.spoke = False
        for unit in self._units:
            unit.known = False
        self._loop.watch(channel.fileno(), self._readable)

    def close(self) -> None:
        """Drop what a server that is gone asked for and that was not begun."""
        # Another server may have other plans; one that asks again repeats what was not answered.
        self._batches.clear()
        if self._channel is not None:
            self._loop.unwatch(self._channel.fileno())
            self._channel.close()
            self._channel = None

    def drain(self) -> None:
        """Do what a dead server had still asked for, except to spawn, and close."""
        self._readable()
        self.close()

    def emit(self, event: str, unit: Unit) -> None:
        """Tell an event of a unit to a server that has been told of the unit."""
        if not unit.known:
            return
        if event == "leader":
            end = {"status": unit.status, "at": unit.ended_at}
            killed = {"oom_killed": unit.oom_killed, "oom_kills": unit.oom_kills}
            self._send({"event": event, "unit": unit.name, **end, **killed})
        elif unit.exited is not None:
            self._send({"event": event, **unit.exited})

    def give_listener(self, fd: int) -> None:
        """Hand a new listening socket to the server of the moment."""
        self._send({"listener": True}, [fd])

    def work(self) -> None:
        """Start some of the processes that wait to be started, and tell."""
        if not self._batches:
            return
        batch = self._batches[0]
        if batch.again:
            self._sweep([{"unit": spawn["unit"], "pid": 0, "ticks": 0, "at": 0.0} for spawn in batch.left])
            batch.again = False
        results: list[tuple[Body, list[int]]] = []
        while batch.left and len(results) < SLICE and self._announce(batch.left[-1]):
            results.append(self._spawn(batch.left.pop(), batch))
        groups = chunked(results)
        for number, (bodies, fds) in enumerate(groups):
            more = bool(batch.left) or number + 1 < len(groups)
            self._send({"id": batch.request, "results": bodies, "more": more}, fds)
        # An announcement may have found the channel closed, which drops all batches.
        if not batch.left and self._batches:
            self._batches.pop(0)

    def _announce(self, request: Body) -> bool:
        """Tell the server what begins now and must not begin twice, in case we are killed meanwhile.

        False if that cannot be sent now: then it does not begin either.
        """
        if request.get("repeatable"):
            return True
        self._send({"begins": request["unit"]})
        self.flush()
        return self._channel is not None and not self._blocked

    # -- the channel -------------------------------------------------------------------------------

    def _send(self, body: Body, fds: list[int] | None = None) -> None:
        """Send with all else of this turn of the loop: each message by itself would wake the server."""
        if self._channel is not None:
            self._channel.queue(body, fds or [])

    def flush(self) -> None:
        """Send what this turn of the loop has to tell."""
        if self._channel is None:
            return
        try:
            done = self._channel.flush()
        except OSError:
            self.close()
            return
        if self._blocked is done:
            self._blocked = not done
            self._loop.watch_writing(self._channel.fileno(), self._blocked)

    def _readable(self) -> None:
        channel = self._channel
        if channel is None:
            return
        # Descriptors that were lost end the keeper: the server has copies of all, and gives them to the next.
        frames, alive = channel.receive()
        self.spoke = self.spoke or bool(frames)
        for group in together(frames):
            if group[0].body["op"] == "freeze":
                self._freeze([frame.body for frame in group])
            else:
                self._answer(group[0])
        if not alive and self._channel is channel:
            self.close()

    def _answer(self, frame: KeeperFrame) -> None:
        body = frame.body
        match body["op"]:
            case "spawn":
                self._batches.append(_Batch(body))
            case "adopt":
                self._adopt(body["id"])
            case "recall":
                self._emit_kept()
                self._send({"id": body["id"], "result": None})
            case "handover":
                self._take_over(body, frame.fds)
            case "want":
                self.wanted = bool(body["wanted"])
            case "keep":
                self._keep(body["name"], frame.fds.pop())
            case "isolate":
                self._spawner.inits.plan(body["sandbox"], body["plan"])
            case _:
                self._send({"id": body["id"], **self._result(body)})

    def _freeze(self, requests: list[Body]) -> None:
        """Freeze what several requests ask for, with the looks at the machine that one of them needs."""
        units = [unit for request in requests for unit in request["units"]]
        answer = self._result({**requests[0], "units": units})
        frozen: Body = answer.get("result") or {}
        for request in requests:
            own = {unit: frozen[unit] for unit in request["units"] if unit in frozen}
            self._send({"id": request["id"], **(answer if "problem" in answer else {"result": own})})

    def _result(self, body: Body) -> Body:
        try:
            return {"result": self._do(body)}
        except CannotSpawn as error:
            return {"result": {"error": error.message, "errno": error.errno}}
        except Exception as error:  # whatever it is, it must not cost the keeper its life
            return {"problem": f"{type(error).__name__}: {error}"}

    def _do(self, body: Body) -> Any:
        match body["op"]:
            case "kill":
                everything = body["scope"] == "everything"
                return self._units.kill(body["unit"], body["signal"], everything=everything)
            case "stop":
                # A server of an older version says only when the grace is over.
                return self._units.stop(body["unit"], body["signal"], body["deadline"], body.get("grace", 0.0))
            case "freeze":
                return self._units.freeze(body["units"], again=bool(body.get("again")))
            case "thaw":
                return self._units.thaw(body["units"])
            case "close_stdin":
                return self._close_stdin(body["unit"])
            case "release":
                return self._release(body["unit"])
            case "drop":
                return self._spawner.drop(body["name"])
            case "enter":
                return self._enter(body["sandbox"])
            case "leave":
                return self._spawner.inits.drop(body["sandbox"], forget_plan=body["forget"])
            case "sweep":
                return self._sweep(body["claims"])
        return None

    # -- the requests ------------------------------------------------------------------------------

    def _spawn(self, request: Body, batch: _Batch) -> tuple[Body, list[int]]:
        index = {"index": request["index"], "unit": request["unit"]}
        if self._units.get(request["unit"]) is not None:
            return {**index, "error": f"unit {request['unit']} exists", "errno": errno.EEXIST}, []
        try:
            # Before the start: kills until then are not of this run.
            adopter = self._enter(request.get("inside"))
            kill_count = KillCount.begin(request.get("cgroups") or ())
            started = self._spawner.start(request, batch.base)
        except CannotSpawn as error:
            return {**index, "error": error.message, "errno": error.errno}, []
        except Exception as error:  # as in `_result`
            return {**index, "error": f"{type(error).__name__}: {error}", "errno": errno.EINVAL}, []
        unit = Unit(request["unit"], started.pid, started.at, request["meta"])
        unit.ticks = started.ticks
        unit.inside, unit.adopter = request.get("inside"), adopter
        unit.limited, unit.kill_count = bool(request.get("cgroups")), kill_count
        unit.tag, unit.fds, unit.large, unit.known = started.tag, started.fds, started.large, True
        self._units.add(unit)
        return {**index, **unit.describe()}, list(unit.fds.values())

    def _emit_kept(self) -> None:
        for name, fd in {**self._spawner.networks, **self._spawner.inits.pidfds}.items():
            self._send({"kept": name}, [fd])

    def _keep(self, name: str, fd: int) -> None:
        if name.startswith(PREFIX):
            self._spawner.inits.adopt(name.removeprefix(PREFIX), fd)
            self._units.finder.inits = self._spawner.inits.pids
        else:
            self._spawner.keep(name, fd)

    def _enter(self, sandbox: str | None) -> int | None:
        """Start the init process of a sandbox if it is not running; its pid. Raises `CannotSpawn`."""
        if sandbox is None:
            return None
        inits = self._spawner.inits
        found = inits.find(sandbox)
        if found is None:
            found = inits.start(sandbox)
            self._units.finder.inits = inits.pids
            self._send({"kept": PREFIX + sandbox}, [found.pidfd])
        return found.pid

    def _adopt(self, request: int) -> None:
        self._emit_kept()
        units = list(self._units)
        groups = chunked((unit.describe(), list(unit.fds.values())) for unit in units)
        for number, (bodies, fds) in enumerate(groups):
            self._send({"id": request, "results": bodies, "more": number + 1 < len(groups)}, fds)
        # From now on their ends are told: before, the server would take one for that of a unit that it has refused.
        for unit in units:
            unit.known = True

    def _take_over(self, body: Body, fds: list[int]) -> None:
        for unit in body["units"]:
            self._units.add(Unit.handed_over(unit, {name: fds.pop(0) for name in unit["fds"]}))
        if not body["more"]:
            self._send({"handed_over": True})

    def _sweep(self, claims: list[Body]) -> list[str]:
        # A claim may be of a unit that a start has brought back under the same name: its leader is spared.
        known = [unit.pid for unit in self._units if unit.live]
        return sweep(self._host, claims, [*known, *self._spawner.inits.pids])

    def _close_stdin(self, name: str) -> bool:
        unit = self._units.get(name)
        if unit is not None:
            unit.close("stdin")
        return unit is not None

    def _release(self, name: str) -> bool:
        unit = self._units.release(name)
        if unit is not None:
            self._spawner.large_pipes -= unit.large
        return unit is not None


def together(frames: Iterable[KeeperFrame]) -> Iterator[list[KeeperFrame]]:
    """Yield requests in their order; those to freeze that follow each other, and are of one kind, together."""
    for joined, group in groupby(frames, key=_freezes):
        if joined is None:
            yield from ([frame] for frame in group)
        else:
            yield list(group)


def _freezes(frame: KeeperFrame) -> bool | None:
    """Return whether a request to freeze was asked of a keeper before; None for other requests."""
    return bool(frame.body.get("again")) if frame.body["op"] == "freeze" else None
