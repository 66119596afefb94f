"""The server's side of the keeper: asyncio, and indifferent to the keeper's death.

When the keeper dies another one takes its place (see `KeeperConnection`): callers wait a little longer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from signal import SIGKILL
from typing import Any, Literal

from sbxcompose.clock import monotonic
from sbxcompose.host.keeper.connection import KeeperConnection
from sbxcompose.host.keeper.inherit import Inherited, KeeperRestart
from sbxcompose.host.keeper.inits import PREFIX
from sbxcompose.host.keeper.messages import (
    Adopted,
    Claim,
    Exited,
    KeeperLost,
    Spawn,
    Spawned,
    SpawnFailed,
    SpawnLost,
    close_streams,
    common_environment,
)
from sbxcompose.host.keeper.protocol import BEGUN
from sbxcompose.host.keeper.unit_cache import Body, check_signal

__all__ = [
    "Adopted",
    "Claim",
    "Exited",
    "Inherited",
    "KeeperClient",
    "KeeperLost",
    "KeeperRestart",
    "Spawn",
    "SpawnFailed",
    "SpawnLost",
    "Spawned",
]


class KeeperClient(KeeperConnection):
    """What the server asks its keeper to do. All methods belong to one event loop."""

    async def recall(self) -> None:
        """Learn what the keeper was given to keep by the servers before this one: `kept` knows it then."""
        await self._call({"op": "recall"})

    async def adopt(self) -> list[Adopted]:
        """Return every unit that the keeper knows. Exits that it has not told yet follow through `on_exit`."""
        adopted: list[Adopted] = []

        def take(body: Body, fds: list[int]) -> None:
            adopted.extend(self._adopted(result, fds) for result in body["results"])

        with self._holding_exits(None):
            await self._ask({"op": "adopt"}, take)
        # If the keeper died while it answered, the next one has told some of them again.
        latest: dict[str, Adopted] = {}
        for unit in adopted:
            if unit.unit in latest:
                close_streams(latest[unit.unit])
            latest[unit.unit] = unit
        return list(latest.values())

    async def spawn(self, spawn: Spawn) -> Spawned:
        """Start one run. Raises `SpawnFailed`."""
        with self._holding_exits(spawn.unit):
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
        body: Body = {"op": "spawn", "base": base, "spawns": [spawn.write(base) for spawn in spawns]}
        # What remains here when the keeper dies is asked of the next one; the rest has been started, or refused.
        left: dict[int, Body] = {}
        for index, spawn in enumerate(body["spawns"]):
            spawn["index"] = index
            left[index] = spawn
        results: dict[int, Spawned | SpawnFailed] = {}

        def take(answer: Body, fds: list[int]) -> None:
            for answered in answer["results"]:
                result = self._spawned(answered, fds)
                results[answered["index"]] = result
                left.pop(answered["index"], None)
                if on_result is not None:
                    on_result(answered["index"], result)

        await self._ask(body, take, left)
        return [results[index] for index in range(len(spawns))]

    async def kill(self, unit: str, signal: int, scope: Literal["group", "everything"] = "group") -> bool:
        """Send a signal to the unit's process group, or to everything that it started as well.

        False when the unit is unknown or over. Nothing is waited for. Raises `ValueError` for a bad number.
        """
        check_signal(signal)
        if signal == SIGKILL and unit in self._known.units:  # before: should this keeper die, the next one knows why
            self._known.units[unit].sigkilled = True
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
        # Both: the deadline is for a keeper that takes over (all processes share the monotonic clock), the grace for a
        # request that has waited for one, and whose deadline may be over before the signal is sent.
        deadline = monotonic() + grace
        body = {"op": "stop", "unit": unit, "signal": int(signal), "deadline": deadline, "grace": grace}
        accepted = bool(await self._call(body))
        self._run_again([unit])
        known = self._known.units.get(unit)
        if accepted and known is not None:  # noted only now: a keeper that died before has perhaps not sent it
            known.sigkilled |= signal == SIGKILL
            known.stop = [int(signal), min(deadline, known.stop[1]) if known.stop else deadline]
        return accepted

    async def freeze(self, unit: str) -> bool:
        """Stop everything of a unit where it is, also what has left its session, until `thaw`.

        It can be ended all the same; other signals reach it when it continues. True if it is frozen now: it may
        have been frozen before. False when it is unknown, over, or being ended.
        """
        return unit in await self.freeze_many([unit])

    async def freeze_many(self, units: Sequence[str]) -> set[str]:
        """`freeze` for many, with one look at the machine: those that are frozen now.

        All of them run if it raises `RuntimeError`: then the keeper could not look at the machine.
        """
        known = [self._known.units[unit] for unit in units if unit in self._known.units]
        for unit in known:  # before it is asked for: should this keeper die, the next one knows whom to thaw
            unit.frozen = BEGUN if unit.frozen is None else unit.frozen
        try:
            frozen: dict[str, Any] = await self._call({"op": "freeze", "units": list(units)}) or {}
        except RuntimeError:
            self._run_again(units)
            raise
        for unit in known:
            unit.frozen = frozen.get(unit.unit)
        return set(frozen)

    async def thaw(self, unit: str) -> bool:
        """Let a frozen unit continue; false when it is unknown or over."""
        return unit in await self.thaw_many([unit])

    async def thaw_many(self, units: Sequence[str]) -> set[str]:
        """`thaw` for many: those that run now."""
        thawed: list[str] = await self._call({"op": "thaw", "units": list(units)}) or []
        self._run_again(thawed)
        return set(thawed)

    def _run_again(self, units: Sequence[str]) -> None:
        for unit in units:
            if unit in self._known.units:
                self._known.units[unit].frozen = None

    async def close_stdin(self, unit: str) -> None:
        """Close the keeper's end of the unit's input (the caller closes its own): the process reads end of
        file.
        """
        # The process reads end of file once the last copy is closed: ours goes first, or the next keeper would get it.
        if unit in self._known.units:
            self._known.units[unit].drop("stdin")
        await self._call({"op": "close_stdin", "unit": unit})

    async def release(self, unit: str) -> None:
        """Let the keeper forget a unit that is over and whose output has been read. A live one is not
        forgotten.
        """
        await self._call({"op": "release", "unit": unit})
        known = self._known.units.get(unit)
        # One that lives is kept: without its descriptors the next keeper could not take it over.
        if known is not None and known.exited is not None:
            del self._known.units[unit]
            known.close()

    def keep(self, name: str, fd: int) -> None:
        """Let the keeper hold a descriptor for this server's successors: a network namespace, for `Spawn.namespace`, or
        a memory file. It is the client's from now on. Nothing is waited for: what is spawned later finds it.
        """
        self._known.kept[name] = fd
        # While a keeper is replaced nothing is sent: the next one is given all that is kept.
        if self._replacing is None and self._lost is None:
            self._send({"op": "keep", "id": 0, "name": name}, [fd])

    def isolate(self, sandbox: str, plan: dict[str, Any]) -> None:
        """Tell how the root of an isolated sandbox is built, before anything is started in it; see `Spawn.inside`."""
        self._plans[sandbox] = plan
        if self._replacing is None and self._lost is None:
            self._send({"op": "isolate", "id": 0, "sandbox": sandbox, "plan": plan})

    async def enter(self, sandbox: str) -> int:
        """Return the pid of the init process of an isolated sandbox, which is started if it is not running. Raises
        `SpawnFailed`.
        """
        found = await self._call({"op": "enter", "sandbox": sandbox})
        if isinstance(found, dict):
            raise SpawnFailed(found["error"], found["errno"])
        return int(found)

    async def end_sandbox(self, sandbox: str, *, forget: bool = False) -> None:
        """Kill everything in an isolated sandbox, and unmount its root. `forget`: it is over for good."""
        if forget:
            self._plans.pop(sandbox, None)
        # First: a keeper that takes over meanwhile must not be given an init process that is being killed.
        fd = self._known.kept.pop(PREFIX + sandbox, None)
        if fd is not None:
            os.close(fd)
        await self._call({"op": "leave", "sandbox": sandbox, "forget": forget})

    def want(self, wanted: bool) -> None:
        """Say whether anything runs, or is to be started again: as long as that is so, the keeper never gives up
        starting a server.
        """
        if wanted != self._wanted:
            self._wanted = wanted
            if self._replacing is None and self._lost is None:
                self._send({"op": "want", "id": 0, "wanted": wanted})

    def tags(self, sandbox: str) -> dict[int, str]:
        """Return the units of a sandbox that are there, by what their processes have inherited (`census.tag_of`)."""
        units = ((unit.tag, name) for name, unit in self._known.units.items() if name.startswith(f"{sandbox}."))
        return {tag: name for tag, name in units if tag is not None}

    def kept(self, name: str) -> int | None:
        """Return the descriptor that was given to `keep`, by this server or (after `adopt`) by one before it."""
        return self._known.kept.get(name)

    def drop(self, name: str) -> None:
        """Undo `keep`; do nothing if there is nothing of that name."""
        fd = self._known.kept.pop(name, None)
        if fd is not None:
            os.close(fd)
            if self._replacing is None and self._lost is None:
                self._send({"op": "drop", "id": 0, "name": name})

    async def sweep(self, claims: Sequence[Claim]) -> list[str]:
        """Kill what is left of units that the keeper does not know: "pid command" each.

        For units that ran, or were being started, when keeper and server had died together.
        """
        return list(await self._call({"op": "sweep", "claims": [asdict(claim) for claim in claims]}))
