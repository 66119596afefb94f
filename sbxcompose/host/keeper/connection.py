"""The server's connection to its keeper, which outlives the keeper.

The link holds duplicates of everything that makes a unit: its pipes and its leader's pidfd. When the keeper dies it
starts another one, hands all of that over, and repeats what had not been answered.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from signal import SIGKILL
from typing import Any, Self

from sbxcompose.host.keeper.inherit import KeeperRestart, launch
from sbxcompose.host.keeper.messages import Adopted, Exited, KeeperLost, Spawned, SpawnFailed, SpawnLost
from sbxcompose.host.keeper.protocol import Channel, KeeperFrame, chunked
from sbxcompose.host.keeper.sender import KeeperSender
from sbxcompose.host.keeper.unit_cache import Body, KnownUnits, PendingRequest, TakeAnswer, has_room, read_all, retrieve
from sbxcompose.linux.processes import read_process
from sbxcompose.tasks import TaskOwner

PAUSES = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Seconds before each of the first attempts to start a new keeper."""
LONGEST = 5.0
"""Seconds before all others: without a keeper nothing can be started, stopped or noticed."""


class KeeperConnection:
    """Asks, is answered, and replaces a keeper that has died. All methods belong to one event loop."""

    def __init__(self, channel: Channel, restart: KeeperRestart | None) -> None:
        self.on_exit: Callable[[Exited], None] = lambda _: None
        """Called once for each unit that is gone; never before the `spawn` or `adopt` that told of it
        returned to a caller that awaited it directly. Set it before anything else."""
        self.on_replaced: Callable[[int], None] = lambda _: None
        """Called with the new keeper's process id, after a keeper died and another took its place."""
        self.on_listener: Callable[[int], None] = os.close
        """Called with the descriptor of a socket that takes the place of the one the host listens on."""
        self.on_lost: Callable[[KeeperLost], None] = lambda _: None
        """Called when the connection was lost although the keeper lives, for want of descriptors."""
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._restart = restart
        self._known = KnownUnits()
        self._pending: dict[int, PendingRequest] = {}
        self._held: list[Exited] = []
        self._holders: dict[str | None, int] = {}
        """Whose exits are held back, and by how many; None holds all."""
        self._begun: set[str] = set()
        """The units that the keeper has begun to start and not told of, of those that must not be started twice."""
        self._plans: dict[str, Body] = {}
        """How isolated sandboxes are built."""
        self._wanted = False
        self._last_id = 0
        self.tasks = TaskOwner(self._task_failed)
        """Owns what the server does in the background: without a keeper there is nothing left to do."""
        self._replacing: asyncio.Task[object] | None = None
        self._handed_over: asyncio.Future[None] | None = None
        self._lost: KeeperLost | None = None
        self._closed = False
        self._is_now(os.getppid())
        self._attach(channel)

    @classmethod
    async def connect(cls, socket_fd: int, *, restart: KeeperRestart | None = None) -> Self:
        """Speak to the keeper over an inherited socket, which the client owns from now on.

        `restart` says how to start another keeper; without it the keeper's death is final (`KeeperLost`).
        """
        return cls(Channel(socket.socket(fileno=socket_fd)), restart)

    def _is_now(self, keeper: int) -> None:
        """Note which process the keeper is: it has started this one, unless another has taken its place."""
        process = read_process(keeper)
        self.pid = keeper
        self.identity = f"{keeper}@{process.started if process is not None else 0}"
        """What no other keeper has, also not one with the same process id."""

    async def close(self) -> None:
        """Leave the keeper alone; it continues to run. Requests under way raise `KeeperLost`."""
        self._closed = True
        await self.tasks.close()
        self._detach()
        self._give_up(KeeperLost("the connection to the keeper was closed"))
        self._known.close()

    def _task_failed(self, error: BaseException) -> None:
        """Write what a background task raises to the host's log; the loss of the keeper has been said already."""
        if not isinstance(error, KeeperLost):
            traceback.print_exception(error, file=sys.stderr)

    # -- asking and being answered -----------------------------------------------------------------

    async def _call(self, body: Body) -> Any:
        answer: list[Body] = []
        await self._ask(body, lambda reply, _: answer.append(reply))
        if "problem" in answer[-1]:
            raise RuntimeError(f"the keeper failed: {answer[-1]['problem']}")
        return answer[-1]["result"]

    async def _ask(self, body: Body, take: TakeAnswer, spawns: dict[int, Body] | None = None) -> None:
        if self._lost is not None:
            raise self._lost
        self._last_id += 1
        body["id"] = self._last_id
        pending = PendingRequest(body, self._loop.create_future(), take, spawns or {})
        self._pending[self._last_id] = pending
        if self._replacing is None:
            pending.sent = True
            self._send(body)
        # The keeper carries it out even if the caller is cancelled: the answer and its descriptors are still taken.
        try:
            await asyncio.shield(pending.future)
        except asyncio.CancelledError:
            pending.future.add_done_callback(retrieve)
            raise

    def _send(self, body: Body, fds: Sequence[int] = ()) -> None:
        self._sender.send(body, fds)

    def _attach(self, channel: Channel) -> None:
        self._channel = channel
        self._sender = KeeperSender(channel)
        self._loop.add_reader(channel.fileno(), self._readable)

    def _detach(self) -> None:
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel.fileno())
        self._sender.close()

    def _readable(self) -> None:
        try:
            frames, alive = self._channel.receive()
            for frame in frames:
                self._handle(frame)
                for fd in frame.fds:  # that were not taken
                    os.close(fd)
        except OSError as error:  # our own shortage: the keeper lives, and must not be replaced
            self._detach()
            lost = KeeperLost(str(error))
            self._give_up(lost)
            self.on_lost(lost)
            return
        if not alive:
            self._detach()
            if self._handed_over is not None and not self._handed_over.done():
                self._handed_over.set_exception(KeeperLost("it died at once"))
            if self._replacing is None and not self._closed:
                self._replacing = self.tasks.start(self._replace())

    def _handle(self, frame: KeeperFrame) -> None:
        body = frame.body
        if "event" in body:
            self._event(body)
            return
        if "begins" in body:
            self._begun.add(body["begins"])
            return
        if "listener" in body:
            self.on_listener(frame.fds.pop())
            return
        if "kept" in body:
            self._known.learn_kept(body["kept"], frame.fds.pop())
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
        known = self._known.units.get(body["unit"])
        if known is None:
            if body["event"] == "exited":  # one that was refused
                self._send({"op": "release", "id": 0, "unit": body["unit"]})
            return
        if body["event"] == "leader":
            known.leader = [body["status"], body["at"], body.get("oom_killed", False), body.get("oom_kills", 0)]
        elif known.exited is None:
            known.exited = {name: value for name, value in body.items() if name != "event"}
            known.drop("pidfd")
            self._loop.call_soon(self._emit, Exited(**known.exited))

    def _emit(self, exited: Exited) -> None:
        if None in self._holders or exited.unit in self._holders:
            self._held.append(exited)
        else:
            self.on_exit(exited)

    @contextmanager
    def _holding_exits(self, unit: str | None) -> Iterator[None]:
        """Hold back the exit of a unit (None: of all) until the caller that is told of it has continued: a future wakes
        its awaiter some turns of the event loop after it was set.
        """
        self._holders[unit] = self._holders.get(unit, 0) + 1
        try:
            yield
        finally:
            if self._holders[unit] == 1:
                del self._holders[unit]
            else:
                self._holders[unit] -= 1
            held, self._held = self._held, []
            for exited in held:
                self._loop.call_soon(self._emit, exited)

    def _spawned(self, body: Body, fds: list[int]) -> Spawned | SpawnFailed:
        self._begun.discard(body["unit"])
        if body.get("lost"):
            return SpawnLost()
        if "error" in body:
            return SpawnFailed(body["error"], body["errno"])
        if not has_room():
            return self._refuse(body, fds)
        return Spawned(
            body["unit"], body["pid"], body["at"], ticks=body.get("ticks", 0), **self._known.learn(body, fds)
        )

    def _refuse(self, body: Body, fds: list[int]) -> SpawnFailed:
        """End what has been started and cannot be watched: its output, its log and its end need descriptors."""
        for _ in body["fds"]:
            os.close(fds.pop(0))
        self._send({"op": "kill", "id": 0, "unit": body["unit"], "signal": SIGKILL, "scope": "everything"})
        words = "almost all descriptors of the host (`ulimit -n`) are in use, so it was killed"
        return SpawnFailed(f"{words}; start the host where the hard limit (`ulimit -Hn`) is higher", errno.EMFILE)

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
            ticks=body.get("ticks", 0),
            **self._known.learn(body, fds),
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
        """Start keepers until one takes over. Raises `KeeperLost` without the means to start one."""
        if self._restart is None:
            raise KeeperLost("no way to start another one is known")
        for pause in chain(PAUSES, repeat(LONGEST)):
            await asyncio.sleep(pause)
            try:
                keeper = await self._start_another()
            except (OSError, ValueError, KeeperLost) as problem:
                self._detach()
                print(f"no new keeper could be started: {problem}", file=sys.stderr)
                continue
            self._is_now(keeper)
            self._repeat()
            self._loop.call_soon(self.on_replaced, keeper)
            return

    async def _start_another(self) -> int:
        """Start a keeper and hand everything over; its process id. Raises `OSError`, `ValueError`, `KeeperLost`."""
        assert self._restart is not None
        ours, read, launcher = launch(self._restart)
        self._attach(Channel(ours))
        ready = json.loads(await read_all(self._loop, read) or b"{}")
        launcher.wait()  # hardly blocks: the pipe has ended, and the launcher keeps it open until it is about to end
        if ready.get("status") != "ready":
            raise KeeperLost(ready.get("message", "it ended at once"))
        await self._hand_over()
        if self._channel.fileno() < 0:  # closed by `_readable`, which starts no other keeper meanwhile
            raise KeeperLost("it died at once")
        return int(ready["pid"])

    async def _hand_over(self) -> None:
        """Give the new keeper every unit, in as many frames as the descriptors need, and wait for its word."""
        self._handed_over = self._loop.create_future()
        for units, fds in chunked(unit.write() for unit in self._known.units.values()):
            self._send({"op": "handover", "units": units, "more": True}, fds)
        self._send({"op": "handover", "units": [], "more": False})
        await self._handed_over

    def _repeat(self) -> None:
        """Give again what is to be kept, and ask again what has not been answered; a spawn says so, as its first
        try may have begun to run. What has begun and must not run twice is lost.
        """
        self._send({"op": "want", "id": 0, "wanted": self._wanted})
        for sandbox, plan in self._plans.items():
            self._send({"op": "isolate", "id": 0, "sandbox": sandbox, "plan": plan})
        for name, fd in self._known.kept.items():
            self._send({"op": "keep", "id": 0, "name": name}, [fd])
        for number, pending in list(self._pending.items()):
            if pending.body["op"] == "spawn":
                self._report_lost(pending)
                pending.body["spawns"] = list(pending.spawns.values())
                if not pending.spawns:
                    del self._pending[number]
                    pending.future.set_result(None)
                    continue
            pending.body["again"] = pending.sent
            pending.sent = True
            self._send(pending.body)

    def _report_lost(self, pending: PendingRequest) -> None:
        """Have what is left of spawns that had begun killed, and answer them."""
        begun = [spawn for spawn in pending.spawns.values() if spawn["unit"] in self._begun]
        if begun:
            claims = [{"unit": spawn["unit"], "pid": 0, "ticks": 0, "at": 0.0} for spawn in begun]
            self._send({"op": "sweep", "id": 0, "claims": claims})
            lost = [{"index": spawn["index"], "unit": spawn["unit"], "lost": True} for spawn in begun]
            pending.take({"results": lost}, [])

    def _give_up(self, error: KeeperLost) -> None:
        self._lost = error
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(error)
                pending.future.add_done_callback(retrieve)
        self._pending.clear()
