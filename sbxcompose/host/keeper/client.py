"""The server's side of the keeper: asyncio, and indifferent to the keeper's death.

The client holds duplicates of everything that makes a unit: its pipes and its leader's pidfd. When the keeper
dies it starts another one, hands all of that over, and repeats what had not been answered. Callers wait a
little longer, and notice nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from signal import SIGKILL
from typing import Any, Literal, Self

from sbxcompose.host.keeper.inherit import Inherited, Restart
from sbxcompose.host.keeper.memory import Body, KnownUnit, Pending, check_signal, read_all, retrieve
from sbxcompose.host.keeper.messages import (
    Adopted,
    Exited,
    KeeperLost,
    Spawn,
    Spawned,
    SpawnFailed,
    common_environment,
)
from sbxcompose.host.keeper.protocol import Channel, Frame, chunked

__all__ = [
    "Adopted",
    "Exited",
    "Inherited",
    "KeeperClient",
    "KeeperLost",
    "Restart",
    "Spawn",
    "SpawnFailed",
    "Spawned",
]

PAUSES = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Seconds before each attempt to start a new keeper; after the last one it is lost."""


class KeeperClient:
    """What the server asks its keeper to do. All methods belong to one event loop."""

    def __init__(self, channel: Channel, restart: Restart | None) -> None:
        self.on_exit: Callable[[Exited], None] = lambda _: None
        """Called once for each unit that is gone; never before the `spawn` or `adopt` that told of it
        returned to a caller that awaited it directly. Set it before anything else."""
        self.on_replaced: Callable[[int], None] = lambda _: None
        """Called with the new keeper's process id, after a keeper died and another took its place."""
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._restart = restart
        self._units: dict[str, KnownUnit] = {}
        self._pending: dict[int, Pending] = {}
        self._kept: dict[str, int] = {}
        self._last_id = 0
        self._replacing: asyncio.Task[None] | None = None
        self._handed_over: asyncio.Future[None] | None = None
        self._lost: KeeperLost | None = None
        self._closed = False
        self._attach(channel)

    @classmethod
    async def connect(cls, socket_fd: int, *, restart: Restart | None = None) -> Self:
        """Speak to the keeper over an inherited socket, which the client owns from now on.

        `restart` says how to start another keeper; without it the keeper's death is final (`KeeperLost`).
        """
        return cls(Channel(socket.socket(fileno=socket_fd)), restart)

    # -- what the server asks ----------------------------------------------------------------------

    async def adopt(self) -> list[Adopted]:
        """Every unit that the keeper knows. Exits that it has not told yet follow through `on_exit`."""
        adopted: list[Adopted] = []

        def take(body: Body, fds: list[int]) -> None:
            adopted.extend(self._adopted(each, fds) for each in body["results"])

        await self._ask({"op": "adopt"}, take)
        return list({each.unit: each for each in adopted}.values())

    async def spawn(self, spawn: Spawn) -> Spawned:
        """Start one run. Raises `SpawnFailed`."""
        (result,) = await self.spawn_many([spawn])
        if isinstance(result, SpawnFailed):
            raise result
        return result

    async def spawn_many(
        self,
        spawns: Sequence[Spawn],
        on_result: Callable[[int, Spawned | SpawnFailed], None] | None = None,
    ) -> list[Spawned | SpawnFailed]:
        """Start many with one message. `on_result` is called with each index and result as soon as it is
        known.

        Results are in the order of `spawns`. Raises `KeeperLost` only.
        """
        if not spawns:
            return []
        base = common_environment(spawns)
        body: Body = {"op": "spawn", "base": base, "spawns": [each.write(base) for each in spawns]}
        for index, each in enumerate(body["spawns"]):
            each["index"] = index
        results: dict[int, Spawned | SpawnFailed] = {}

        def take(answer: Body, fds: list[int]) -> None:
            for each in answer["results"]:
                result = self._spawned(each, fds)
                results[each["index"]] = result
                if on_result is not None:
                    on_result(each["index"], result)
            body["spawns"] = [each for each in body["spawns"] if each["index"] not in results]

        await self._ask(body, take)
        return [results[index] for index in range(len(spawns))]

    async def kill(self, unit: str, signal: int, scope: Literal["group", "everything"] = "group") -> bool:
        """Send a signal to the unit's process group, or to everything that it started as well.

        False when the unit is unknown or over. Nothing is waited for. Raises `ValueError` for a bad number.
        """
        check_signal(signal)
        sent = bool(await self._call({"op": "kill", "unit": unit, "signal": int(signal), "scope": scope}))
        if signal == SIGKILL:
            self._run_again([unit])
        return sent

    async def stop(self, unit: str, signal: int, grace: float) -> bool:
        """Ask the unit to end; after `grace` seconds what is left of it is killed. `on_exit` tells the end.

        The keeper holds the timer. A second stop shortens the grace but never prolongs it; it sends its
        signal only if it is another one. False when the unit is unknown or over.
        """
        check_signal(signal)
        deadline = time.monotonic() + grace
        body = {"op": "stop", "unit": unit, "signal": int(signal), "deadline": deadline}
        accepted = bool(await self._call(body))
        self._run_again([unit])
        known = self._units.get(unit)
        if accepted and known is not None:  # noted only now: a keeper that died before has perhaps not sent it
            known.stop = [int(signal), min(deadline, known.stop[1]) if known.stop else deadline]
        return accepted

    async def freeze(self, unit: str) -> bool:
        """Stop everything of a unit where it is, also what has left its session, until `thaw`.

        It can be ended all the same; other signals reach it when it goes on. True if it does not run now: it may
        have been frozen before. False when it is unknown, over, or being ended.
        """
        return unit in await self.freeze_many([unit])

    async def freeze_many(self, units: Sequence[str]) -> set[str]:
        """`freeze` for many, with one look at the machine: those that do not run now."""
        frozen: dict[str, Any] = await self._call({"op": "freeze", "units": list(units)}) or {}
        for unit, how in frozen.items():
            if unit in self._units:
                self._units[unit].frozen = how
        return set(frozen)

    async def thaw(self, unit: str) -> bool:
        """Let a frozen unit go on; false when it is unknown or over."""
        return unit in await self.thaw_many([unit])

    async def thaw_many(self, units: Sequence[str]) -> set[str]:
        """`thaw` for many: those that run now."""
        thawed: list[str] = await self._call({"op": "thaw", "units": list(units)}) or []
        self._run_again(thawed)
        return set(thawed)

    def _run_again(self, units: Sequence[str]) -> None:
        for unit in units:
            if unit in self._units:
                self._units[unit].frozen = None

    async def close_stdin(self, unit: str) -> None:
        """Close the keeper's end of the unit's input (the caller closes its own): the process reads end of
        file.
        """
        if unit in self._units:
            self._units[unit].drop("stdin")
        await self._call({"op": "close_stdin", "unit": unit})

    async def release(self, unit: str) -> None:
        """Let the keeper forget a unit that is over and whose output has been read. A live one is not
        forgotten.
        """
        await self._call({"op": "release", "unit": unit})
        known = self._units.get(unit)
        if known is not None and known.exited is not None:
            del self._units[unit]
            known.close()

    def keep(self, name: str, fd: int) -> None:
        """Let the keeper hold a network namespace, for `Spawn.namespace`; the descriptor is the client's from now
        on. Nothing is waited for: what is spawned later finds it.
        """
        self._kept[name] = fd
        if self._replacing is None and self._lost is None:
            self._send({"op": "keep", "id": 0, "name": name}, [fd])

    def kept(self, name: str) -> int | None:
        """The descriptor that was given to `keep`, by this server or (after `adopt`) by one before it."""
        return self._kept.get(name)

    def drop(self, name: str) -> None:
        """The inverse of `keep`; no harm if there is nothing of that name."""
        fd = self._kept.pop(name, None)
        if fd is not None:
            os.close(fd)
            if self._replacing is None and self._lost is None:
                self._send({"op": "drop", "id": 0, "name": name})

    async def sweep(self, units: Sequence[str]) -> list[str]:
        """Kill what is left of units that the keeper does not know, each found by its marker: "pid command"
        each.

        For units that ran when keeper and server had died together.
        """
        return list(await self._call({"op": "sweep", "units": list(units)}))

    async def close(self) -> None:
        """Leave the keeper alone; it goes on. Requests under way raise `KeeperLost`."""
        self._closed = True
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.gather(self._replacing, return_exceptions=True)
        self._detach()
        self._give_up(KeeperLost("the connection to the keeper was closed"))
        for each in self._units.values():
            each.close()
        self._units.clear()
        for fd in self._kept.values():
            os.close(fd)
        self._kept.clear()

    # -- asking and being answered -----------------------------------------------------------------

    async def _call(self, body: Body) -> Any:
        answer: list[Body] = []
        await self._ask(body, lambda reply, _: answer.append(reply))
        if "problem" in answer[-1]:
            raise RuntimeError(f"the keeper failed: {answer[-1]['problem']}")
        return answer[-1]["result"]

    async def _ask(self, body: Body, take: Callable[[Body, list[int]], None]) -> None:
        if self._lost is not None:
            raise self._lost
        self._last_id += 1
        body["id"] = self._last_id
        pending = Pending(body, self._loop.create_future(), take)
        self._pending[self._last_id] = pending
        if self._replacing is None:
            pending.sent = True
            self._send(body)
        try:
            await asyncio.shield(pending.future)
        except asyncio.CancelledError:
            pending.future.add_done_callback(retrieve)
            raise

    def _send(self, body: Body, fds: Sequence[int] = ()) -> None:
        self._channel.queue(body, fds)
        self._flush()

    def _flush(self) -> None:
        try:
            done = self._channel.flush()
        except OSError:
            done = True  # the reader learns of the end
        if done:
            self._loop.remove_writer(self._channel.fileno())
        else:
            self._loop.add_writer(self._channel.fileno(), self._flush)

    def _attach(self, channel: Channel) -> None:
        self._channel = channel
        self._loop.add_reader(channel.fileno(), self._readable)

    def _detach(self) -> None:
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel.fileno())
            self._loop.remove_writer(self._channel.fileno())
            self._channel.close()

    def _readable(self) -> None:
        try:
            frames, alive = self._channel.receive()
        except OSError as error:  # our own shortage: the keeper lives, and must not be replaced
            self._detach()
            self._give_up(KeeperLost(str(error)))
            return
        for frame in frames:
            self._handle(frame)
            for fd in frame.fds:  # that nobody took
                os.close(fd)
        if not alive:
            self._detach()
            if self._handed_over is not None and not self._handed_over.done():
                self._handed_over.set_exception(KeeperLost("it died at once"))
            if self._replacing is None and not self._closed:
                self._replacing = self._loop.create_task(self._replace())

    def _handle(self, frame: Frame) -> None:
        body = frame.body
        if "event" in body:
            self._event(body)
            return
        if "kept" in body:
            self._learn_kept(body["kept"], frame.fds.pop())
            return
        if body.get("handed_over"):
            if self._handed_over is not None and not self._handed_over.done():
                self._handed_over.set_result(None)
            return
        pending = self._pending.get(body["id"])
        if pending is None:
            return
        pending.take(body, frame.fds)
        if not body.get("more") and not pending.future.done():
            del self._pending[body["id"]]
            pending.future.set_result(None)

    def _event(self, body: Body) -> None:
        known = self._units.get(body["unit"])
        if known is None:
            return
        if body["event"] == "leader":
            known.leader = [body["status"], body["at"]]
        elif known.exited is None:
            known.exited = {name: value for name, value in body.items() if name != "event"}
            known.drop("pidfd")
            self._loop.call_soon(self._tell, Exited(**known.exited))

    def _tell(self, exited: Exited) -> None:
        self.on_exit(exited)

    def _learn(self, body: Body, fds: list[int]) -> dict[str, int]:
        """Remember a unit, and take its descriptors from the frame's."""
        mine = {name: fds.pop(0) for name in body["fds"]}
        old = self._units.pop(body["unit"], None)
        if old is not None:
            old.close()
        self._units[body["unit"]] = KnownUnit(body, mine)
        mine.pop("pidfd", None)  # stays with us
        for fd in mine.values():
            os.set_blocking(fd, False)
        return mine

    def _learn_kept(self, name: str, fd: int) -> None:
        if name in self._kept:
            os.close(fd)
        else:
            self._kept[name] = fd

    def _spawned(self, body: Body, fds: list[int]) -> Spawned | SpawnFailed:
        if "error" in body:
            return SpawnFailed(body["error"], body["errno"])
        return Spawned(body["unit"], body["pid"], body["at"], **self._learn(body, fds))

    def _adopted(self, body: Body, fds: list[int]) -> Adopted:
        exited = body["exited"]
        return Adopted(
            unit=body["unit"],
            meta=json.loads(body["meta"]),
            pid=body["pid"],
            at=body["at"],
            exited=Exited(**exited) if exited else None,
            stopping=body["stop"] is not None,
            frozen=body.get("frozen") is not None,
            **self._learn(body, fds),
        )

    # -- when the keeper dies ----------------------------------------------------------------------

    async def _replace(self) -> None:
        try:
            await self._replaced()
        except Exception as error:
            self._give_up(KeeperLost(f"the keeper died, and a new one could not be started: {error}"))
        finally:
            self._replacing = None

    async def _replaced(self) -> None:
        error: Exception = KeeperLost("nobody said how")
        for pause in PAUSES if self._restart is not None else ():
            await asyncio.sleep(pause)
            try:
                keeper = await self._start_another()
            except (OSError, ValueError, KeeperLost) as problem:
                self._detach()
                error = problem
                continue
            self._repeat()
            self._loop.call_soon(self.on_replaced, keeper)
            return
        raise error

    async def _start_another(self) -> int:
        """Start a keeper and hand everything over; its process id. Raises `OSError`, `ValueError`,
        `KeeperLost`.
        """
        assert self._restart is not None
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        try:
            launcher = self._restart.start(theirs.fileno(), write)
        except OSError:
            ours.close()
            os.close(read)
            raise
        finally:
            theirs.close()
            os.close(write)
        self._attach(Channel(ours))
        ready = json.loads(await read_all(self._loop, read) or b"{}")
        launcher.wait()
        if ready.get("status") != "ready":
            raise KeeperLost(ready.get("message", "it ended at once"))
        await self._hand_over()
        return int(ready["pid"])

    async def _hand_over(self) -> None:
        """Give the new keeper every unit, in as many frames as the descriptors need, and wait for its
        word.
        """
        self._handed_over = self._loop.create_future()
        for units, fds in chunked(each.write() for each in self._units.values()):
            self._send({"op": "handover", "units": units, "more": True}, fds)
        self._send({"op": "handover", "units": [], "more": False})
        await self._handed_over

    def _repeat(self) -> None:
        """Give again what is to be kept, and ask again what has not been answered; a spawn says so, as its first
        try may have begun to run.
        """
        for name, fd in self._kept.items():
            self._send({"op": "keep", "id": 0, "name": name}, [fd])
        for pending in self._pending.values():
            pending.body["again"] = pending.sent
            pending.sent = True
            self._send(pending.body)

    def _give_up(self, error: KeeperLost) -> None:
        self._lost = error
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(error)
                pending.future.add_done_callback(retrieve)
        self._pending.clear()
