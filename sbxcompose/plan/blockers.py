"""What holds a process up: what it needs and is not as it should be, and what holds that up in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from sbxcompose.plan.decisions import satisfies
from sbxcompose.plan.describe import doing, unready
from sbxcompose.plan.observed import Instance, ObservedRow, Phase, SandboxState
from sbxcompose.plan.world import World
from sbxcompose.spec.project import Condition

_SHOWN = 8


class Blocker(Struct, frozen=True):
    """A sentence that says what holds `held` up: `name`, or several if that is None."""

    text: str
    held: str
    name: str | None = None

    def __str__(self) -> str:
        return self.text


def blockers(world: World, node: int, now: float, ready: Mapping[Instance, bool | None]) -> list[Blocker]:
    """Return what holds a process up; of a long chain the nearest causes and the root.

    `ready` says of instances whose readiness no row shows what has been found out.
    """
    found = list(_chain(world, node, now, ready))
    if len(found) <= _SHOWN:
        return found
    half = _SHOWN // 2
    more = Blocker(f"… and so on over {len(found) - 2 * half} more …", found[half].held)
    return [*found[:half], more, *found[-half:]]


def needs_started_after(world: World, node: int, stopped: ObservedRow) -> bool:
    """Return whether something that a process needs was started after it was stopped: then it will be, too."""
    graph = world.graph
    at = stopped.exit.at if stopped.exit is not None else None
    needs = [node]
    for number in needs:
        needs += {edge.node for edge in filter(graph.wants, graph.needs[number])} - {*needs}
    rows = [row for need in needs[1:] for replicas in world.rows(need).values() for row in replicas]
    first = [row.started_at for row in rows if row.started_at is not None and not row.restarts]
    return at is not None and any(started > at for started in first)


def _chain(world: World, node: int, now: float, ready: Mapping[Instance, bool | None]) -> Iterator[Blocker]:
    """Yield what holds a process up, and what holds that up, each once, the nearest first."""
    graph = world.graph
    met = {node}
    waiting = [node]
    for number in waiting:
        for edge in filter(graph.wants, graph.needs[number]):
            condition = graph.condition(edge.node, edge.condition)
            words = _lacking(world, edge.node, condition, now, ready)
            if words is None:
                continue
            held, name = world.label(number), world.label(edge.node)
            yield Blocker(f"{held} waits until {name} is {condition}; {name} {words}", held, name)
            if edge.node not in met:
                met.add(edge.node)
                waiting.append(edge.node)


def _lacking(
    world: World, node: int, condition: Condition, now: float, ready: Mapping[Instance, bool | None]
) -> str | None:
    """Return what the first replica that has not reached `condition` is doing; None if all have, or may have."""
    process = world.graph.processes[node]
    sandbox = world.seen(process.sandbox)
    if sandbox.state is not SandboxState.RUNNING:
        return f"is in sandbox {process.sandbox}, which is {sandbox.state}"
    for replica in range(1, process.replicas + 1):
        rows = world.rows(node).get(replica, [])
        row = next((row for row in reversed(rows) if row.live), rows[-1] if rows else None)
        if row is None:
            return "has not been started"
        if satisfies(row, condition, process, world.graph.job[node]):
            continue
        if not (condition is Condition.READY and row.phase is Phase.RUNNING and process.ready_when is not None):
            return doing(row, now)
        if ready.get(row.instance) is False:
            return f"{doing(row, now)}, {unready(process, condition)}"
    return None
