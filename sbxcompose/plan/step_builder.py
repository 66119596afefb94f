"""Fates -> steps with arrows.

There are three layers, and no arrow leads back into an earlier one, so there can be no circle: stops that
come first (dependents before what they need), starts with their waits (needs before dependents), and stops
that wait until a new run is ready.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from sbxcompose.plan.decisions import Decision, satisfies
from sbxcompose.plan.observed import Foreign, Instance, ObservedRow, SandboxState, managed_name
from sbxcompose.plan.ordering import FIRST, StepOrdering
from sbxcompose.plan.steps import (
    Await,
    CreateSandbox,
    ResumeSandbox,
    SandboxAction,
    SnapshotSandbox,
    Start,
    Stop,
    StopOneOff,
    Sync,
    TerminateSandbox,
    UpdateSandbox,
)
from sbxcompose.plan.stopping import order_stops
from sbxcompose.plan.world import World
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Condition, Process, Sandbox
from sbxcompose.spec.project import StopPolicy as StopRule

_DEFAULT_STOP = StopRule()
_STOP, _START, _AWAIT, _LATE = range(4)


def place(node: int, layer: int) -> int:
    """Where a step stands if arrows leave the choice: with its process, needs before dependents."""
    return node * 4 + layer


def stop_action(world: World, row: ObservedRow, grace: float | None) -> Stop:
    """Return how the file wants the row's process stopped; the defaults for one it does not have."""
    node = world.graph.index.get((row.instance.sandbox, row.instance.process))
    rule = _DEFAULT_STOP if node is None else world.graph.processes[node].stop
    return Stop(row, rule.signal, rule.grace if grace is None else grace, rule.command)


def stop_one_off(world: World, command: Foreign, instance: Instance, grace: float | None) -> StopOneOff:
    """Return how the file wants the process stopped that a command was run for: so the command is, too."""
    node = world.graph.index.get((instance.sandbox, instance.process))
    rule = _DEFAULT_STOP if node is None else world.graph.processes[node].stop
    return StopOneOff(command, instance, rule.signal, rule.grace if grace is None else grace)


class StepBuilder:
    """Call `sandboxes`, `stops`, `starts` and `late_stops` in this order; then `draft` has all steps."""

    def __init__(
        self, world: World, decisions: dict[int, list[Decision]], replaced: set[str], grace: float | None
    ) -> None:
        self.draft = StepOrdering()
        self._world = world
        self._graph = world.graph
        self._decisions = decisions
        self._replaced = replaced
        self._grace = grace
        self._ready: dict[str, int] = {}
        """The step after which a sandbox runs, by its name."""
        self._restored: set[str] = set()
        """The sandboxes that begin with a snapshot in which their set-up is done."""
        self._cached_after: set[tuple[str, str]] = set()
        """The set-up commands behind which a snapshot of their new sandbox is taken."""
        self._stops: dict[int, list[int]] = {}
        self._reached: dict[tuple[int, Condition], list[int]] = {}
        self._beyond: dict[int, dict[int, str]] = {}
        """The gates of what does not start: whatever needs it has to wait for them, too."""
        self._starting = {
            node for node, own in decisions.items() if any(decision.start is not None for decision in own)
        }

    def sandboxes(self, wanted: Iterable[Sandbox]) -> None:
        """Make those run that do not, except the ones to be replaced."""
        self._wanted = list(wanted)
        for sandbox in self._wanted:
            if sandbox.name in self._replaced:
                continue
            match self._world.seen(sandbox.name).state:
                case SandboxState.RUNNING:
                    self._sync(sandbox)
                    continue
                case SandboxState.SUSPENDED:
                    step = self._add_sandbox(ResumeSandbox(sandbox), "is suspended")
                case SandboxState.MISSING:
                    step = self._create(sandbox, "does not exist")
                case SandboxState.TERMINATED:
                    step = self._create(sandbox, "was terminated")
                case SandboxState.PENDING:
                    step = self._add_sandbox(CreateSandbox(sandbox), "is still being made")
            self._ready[sandbox.name] = step
            self._sync(sandbox)

    def _sync(self, sandbox: Sandbox) -> None:
        """Everything in the sandbox comes after its files are there."""
        to_copy = self._world.seen(sandbox.name).to_copy
        if to_copy is not None:
            ready = self._ready.get(sandbox.name)
            after = [] if ready is None else [ready]
            action = Sync(sandbox, to_copy)
            self._ready[sandbox.name] = self.draft.add(action, sandbox.name, str(to_copy), FIRST, after)

    def updates(self) -> None:
        """Give those that run what of the file they can be given; what is started comes after it."""
        for sandbox in self._wanted:
            seen = self._world.seen(sandbox.name)
            if seen.updates and seen.state is SandboxState.RUNNING and sandbox.name not in self._replaced:
                reason = f"{' and '.join(seen.updates)} differ from the file"
                copied = [self._ready[sandbox.name]] if sandbox.name in self._ready else []
                self._ready[sandbox.name] = self._add_sandbox(UpdateSandbox(sandbox), reason, copied)

    def _add_sandbox(self, action: SandboxAction, reason: str, after: Iterable[int] = ()) -> int:
        return self.draft.add(action, action.sandbox.name, reason, FIRST, after)

    def stops(self, orphans: Iterable[tuple[ObservedRow, str]]) -> None:
        """Add the stops that come first, and what of sandboxes has to wait for them."""
        inside: dict[str, list[int]] = {name: [] for name in self._replaced}
        for row, reason in orphans:
            inside.setdefault(row.instance.sandbox, []).append(self._stop(row, reason, FIRST))
        for node, decisions in self._decisions.items():
            for decision in decisions:
                if not decision.late and decision.stops:
                    again = decision.start is not None
                    own = [self._stop(row, why, place(node, _STOP), replaced=again) for row, why in decision.stops]
                    decision.stop_steps = own
                    self._stops.setdefault(node, []).extend(own)
                    inside.setdefault(decision.instance.sandbox, []).extend(own)
        first = {step for steps in self._stops.values() for step in steps}
        order_stops(self.draft, self._graph, self._stops, first)
        for sandbox in self._wanted:
            if sandbox.name in self._replaced:
                self._replace(sandbox, inside[sandbox.name])

    def _stop(
        self, row: ObservedRow, reason: str, position: int, after: Iterable[int] = (), *, replaced: bool = False
    ) -> int:
        asleep = self._ready.get(row.instance.sandbox)
        earlier = [*after] or ([] if asleep is None else [asleep])
        label = self._world.names.instance(row.instance)
        action = replace(stop_action(self._world, row, self._grace), replaced=replaced)
        return self.draft.add(action, label, reason, position, earlier)

    def _replace(self, sandbox: Sandbox, stops: Iterable[int]) -> None:
        keys = ", ".join(self._world.seen(sandbox.name).differences)
        reason = f"differs from the file in {keys}"
        ended = self._add_sandbox(TerminateSandbox(sandbox), reason, stops)
        self._ready[sandbox.name] = self._create(sandbox, reason, [ended])
        self._sync(sandbox)

    def _create(self, sandbox: Sandbox, reason: str, after: Iterable[int] = ()) -> int:
        """Make a sandbox, from a snapshot in which its set-up is done if there is one."""
        snapshot = self._world.seen(sandbox.name).setup_snapshot
        if snapshot is not None:
            self._restored.add(sandbox.name)
            reason = f"{reason}; its set-up is restored from a snapshot"
        elif sandbox.setup_cache == "snapshot" and self._caches(sandbox):
            setup = [process.name for process in sandbox.processes if process.is_setup]
            self._cached_after.update((sandbox.name, name) for name in setup[-1:])
        return self._add_sandbox(CreateSandbox(sandbox, snapshot), reason, after)

    def _caches(self, sandbox: Sandbox) -> bool:
        """Return whether the sandbox has files of its own: in a project's directory there is nothing to be kept."""
        own = sandbox.copied or sandbox.isolation != "none"
        return self._world.project.provider_of(sandbox) != "local" or own

    def starts(self) -> None:
        """All starts, needs first, each after everything that it needs, near or far."""
        for node in self._concerned():
            gates = self._gates(node)
            decisions = self._decisions.get(node, ())
            for decision in decisions:
                if decision.start is not None:
                    self._start(decision, gates)
            if not decisions or any(decision.start is None for decision in decisions):
                # What stays has no start that could come after its needs, so its dependents come after them.
                self._beyond[node] = gates

    def _concerned(self) -> list[int]:
        """Return what starts, and all that it has to wait for, near or far, in dependency order."""
        found = set(self._starting)
        waiting = list(found)
        while waiting:
            for edge in self._graph.needs[waiting.pop()]:
                if edge.node not in found and (self._graph.wants(edge) or edge.node in self._decisions):
                    found.add(edge.node)
                    waiting.append(edge.node)
        return sorted(found)

    def _gates(self, node: int) -> dict[int, str]:
        """Return the steps after which everything that a process needs is satisfied, and the sandbox of each."""
        gates: dict[int, str] = {}
        for edge in self._graph.needs[node]:
            sandbox = self._graph.processes[edge.node].sandbox
            gates.update(dict.fromkeys(self._reach(edge.node, edge.condition), sandbox))
            gates.update(self._beyond.get(edge.node, ()))
        return gates

    def _start(self, decision: Decision, gates: dict[int, str]) -> None:
        process = self._graph.processes[decision.node]
        name = process.sandbox
        own = [] if name in self._replaced else decision.stop_steps
        ready = self._ready.get(name)
        # A stop or gate in the same sandbox comes after `ready` itself, so this arrow would add nothing.
        if ready is not None and not own and name not in gates.values():
            own = [ready]
        managed = _free_name(decision, process.digest)
        step = self.draft.add(
            Start(process, decision.instance, managed, _replaced(decision), self._is_restored(process)),
            self._world.names.instance(decision.instance),
            decision.start or "",
            place(decision.node, _START),
            [*own, *gates],
        )
        decision.start_step = (step, managed)

    def _reach(self, node: int, asked: Condition) -> list[int]:
        """Return the steps after which all replicas of a process have reached a condition: none if they have
        already.
        """
        condition = self._graph.condition(node, asked)
        found = self._reached.get((node, condition))
        if found is None:
            steps = [
                self._reach_instance(decision, condition)
                for decision in self._decisions.get(node, ())
                if decision.keep is not None or decision.start is not None
            ]
            found = self._reached[node, condition] = [step for step in steps if step is not None]
        return found

    def _reach_instance(self, decision: Decision, condition: Condition) -> int | None:
        process, job = self._graph.processes[decision.node], self._graph.job[decision.node]
        if decision.start_step is not None and condition is Condition.STARTED:
            return decision.start_step[0]
        if decision.keep is not None and satisfies(decision.keep, condition, process, job):
            return None
        if decision.wait_step is None or decision.wait_step[0] is not condition:
            decision.wait_step = (condition, self._snapshot(process, self._await(decision, condition)))
        return decision.wait_step[1]

    def _is_restored(self, process: Process) -> bool:
        return process.sandbox in self._restored and process.is_setup

    def _snapshot(self, process: Process, done: int) -> int:
        """Return the step after which others may start: behind the last set-up command a snapshot, where wanted."""
        if (process.sandbox, process.name) not in self._cached_after:
            return done
        action = SnapshotSandbox(self._world.sandboxes[process.sandbox])
        node = self._graph.index[process.sandbox, process.name]
        return self.draft.add(action, process.sandbox, "its set-up is done", place(node, _AWAIT), [done])

    def _await(self, decision: Decision, condition: Condition) -> int:
        process = self._graph.processes[decision.node]
        if decision.start_step is not None:
            after, name = [decision.start_step[0]], decision.start_step[1]
        else:
            ready = self._ready.get(process.sandbox)
            after = [] if ready is None else [ready]
            name = decision.keep.name if decision.keep is not None else ""
        action = Await(decision.instance, condition, process, name)
        label = self._world.names.instance(decision.instance)
        return self.draft.add(action, label, self._who_needs(decision), place(decision.node, _AWAIT), after)

    def _who_needs(self, decision: Decision) -> str:
        waiting = [node for node in self._graph.dependents[decision.node] if node in self._starting]
        if not waiting and not decision.late:
            waiting = self._starting_beyond(decision.node)
        if not waiting:
            return "the old one stays until then"
        others = len(waiting) - 1
        more = f" and {counted(others, 'other')} need" if others else " needs"
        return f"{self._world.label(waiting[0])}{more} it"

    def _starting_beyond(self, node: int) -> list[int]:
        """Return the nearest starting processes that need a process by way of others that stay."""
        found: list[int] = []
        met = {node}
        waiting = [node]
        for number in waiting:
            for dependent in self._graph.dependents[number]:
                if dependent in self._starting:
                    found.append(dependent)
                elif dependent not in met:
                    waiting.append(dependent)
                met.add(dependent)
        return list(dict.fromkeys(found))

    def late_stops(self) -> None:
        """Add the stops of `update: start-first`, after the new run is ready and old dependents are gone."""
        late: set[int] = set()
        for node, decisions in self._decisions.items():
            condition = self._graph.condition(node)
            for decision in decisions:
                if decision.late and decision.stops:
                    reached = self._reach_instance(decision, condition)
                    after = [] if reached is None else [reached]
                    own = [self._stop(row, why, place(node, _LATE), after) for row, why in decision.stops]
                    self._stops.setdefault(node, []).extend(own)
                    late.update(own)
        if late:
            order_stops(self.draft, self._graph, self._stops, late)


def _replaced(decision: Decision) -> tuple[str, ...]:
    """Return the names of the rows that stay until the new run is ready."""
    return tuple(row.name for row, _ in decision.stops) if decision.late else ()


def _free_name(decision: Decision, digest: str) -> str:
    """Return a managed name that no row holds which is still there when the new run begins."""
    held = _replaced(decision)
    suffix = 0
    while (name := managed_name(decision.instance, digest, suffix)) in held:
        suffix += 1
    return name
