"""Plans that make things run: `up`, `start`, `restart`.

Each instance is decided on from its own rows (`decisions`), then restarts spread to dependents, and `step_builder`
makes the steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from sbxcompose.plan.decisions import LENIENT, PLAIN, Decision, Rule, decide
from sbxcompose.plan.observed import Instance, ObservedRow, SandboxState
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.scope import Scope
from sbxcompose.plan.start_notes import start_notes
from sbxcompose.plan.step_builder import StepBuilder
from sbxcompose.plan.steps import Plan, PlanNote
from sbxcompose.plan.world import ASLEEP, World
from sbxcompose.plurals import counted
from sbxcompose.spec.machine import Resources
from sbxcompose.spec.project import Sandbox


class BringUp:
    """One use: `BringUp(world, intent, options).plan()`."""

    def __init__(self, world: World, intent: Intent, options: PlanOptions) -> None:
        self._world = world
        self._graph = world.graph
        self._intent = intent
        self._options = options
        self._scope = Scope(world, intent, options)
        self._decisions: dict[int, list[Decision]] = {}
        self._asked, self._needed = self._rules()

    def plan(self) -> Plan:
        """Decide, then draw the steps."""
        for node in sorted(self._scope.nodes):
            self._decisions[node] = list(self._decide(node))
        self._spread()
        builder = StepBuilder(self._world, self._decisions, self._scope.replaced, self._options.grace)
        builder.sandboxes(self._wanted_sandboxes())
        if self._intent is Intent.UP:
            builder.updates()
        builder.stops(self._orphans_to_stop())
        builder.starts()
        builder.late_stops()
        every = [decision for decisions in self._decisions.values() for decision in decisions]
        kept = [decision for decision in every if decision.keep is not None and not decision.stops]
        running = sum(1 for decision in kept if decision.keep is not None and decision.keep.live)
        completed = [decision.instance for decision in kept if decision.keep is not None and not decision.keep.live]
        return Plan(
            builder.draft.numbered(),
            tuple(self._notes()),
            unchanged=len(kept),
            running=running,
            completed=tuple(map(self._world.names.instance, completed)),
            provisional=bool(self._unseen()),
        )

    def _rules(self) -> tuple[Rule, Rule]:
        """Return how the targets are looked at, and how what they need is."""
        because = self._options.because
        match self._intent:
            case Intent.RESTART:
                reason = because or "restart was asked for"
                return Rule(renew=reason, rerun=self._options.targets is not None), LENIENT
            case Intent.START:
                return LENIENT, LENIENT
            case _ if self._options.no_recreate:
                return LENIENT, LENIENT
            case _:
                anew = Rule(renew=because or "a new run was asked for", rerun=True)
                forced = self._options.force_recreate
                return anew if forced else PLAIN, anew if self._options.recreate_needs else PLAIN

    def _decide(self, node: int) -> Iterator[Decision]:
        process = self._graph.processes[node]
        if process.sandbox in self._scope.replaced:
            yield from self._decide_anew(node)
            return
        chosen = self._scope.replicas(node)
        for replica in range(1, process.replicas + 1):
            if chosen is None or replica in chosen:
                rule = self._asked if self._scope.names(node, replica) else self._needed
                if self._scope.reruns(node, replica):
                    rule = replace(rule, rerun=True)
                yield self._decide_one(node, replica, rule)
        if chosen is None and self._intent is Intent.UP:
            yield from self._surplus(node, process.replicas)

    def _decide_one(self, node: int, replica: int, rule: Rule) -> Decision:
        process = self._graph.processes[node]
        rows = self._world.rows(node).get(replica, ())
        instance = Instance(process.sandbox, process.name, replica)
        return decide(node, process, self._graph.job[node], instance, rows, rule)

    def _surplus(self, node: int, wanted: int) -> Iterator[Decision]:
        for replica, rows in sorted(self._world.rows(node).items()):
            live = [row for row in rows if row.live]
            if replica > wanted and live:
                yield Decision(node, rows[0].instance, stops=[(row, "one replica fewer") for row in live])

    def _decide_anew(self, node: int) -> Iterator[Decision]:
        """In a sandbox that is replaced nothing stays, and what has completed is lost."""
        process = self._graph.processes[node]
        reason = f"sandbox {process.sandbox} is replaced"
        rows = self._world.rows(node)
        for replica in sorted({*rows, *range(1, process.replicas + 1)}):
            decision = Decision(node, Instance(process.sandbox, process.name, replica))
            mine = rows.get(replica, [])
            if self._world.seen(process.sandbox).state is SandboxState.RUNNING:
                decision.stops = [(row, reason) for row in mine if row.live]
            if replica <= process.replicas:
                decision.start, decision.again = reason, bool(mine)
            yield decision

    def _spread(self) -> None:
        """Dependents that ask for it get a new run with what they need, and theirs after them."""
        known = -1
        # `_bring` adds needs, and the pass has already gone past other dependents of these: repeat until it adds none.
        while (count := sum(map(len, self._decisions.values()))) != known:
            known = count
            again = {
                node for node, decisions in self._decisions.items() if any(decision.again for decision in decisions)
            }
            for node, needs in enumerate(self._graph.needs) if again else ():
                need = next((edge.node for edge in needs if edge.restart and edge.node in again), None)
                if need is not None and self._follow(node, f"{self._world.label(need)} is restarted"):
                    again.add(node)

    def _follow(self, node: int, reason: str) -> bool:
        """Restart what lives of a process, also beyond what the command is about."""
        decisions = self._decisions.get(node, [])
        followed = [
            self._decide_one(node, decision.instance.replica, Rule(renew=reason))
            if decision.keep is not None and decision.keep.live
            else decision
            for decision in decisions
        ]
        met = {decision.instance.replica for decision in decisions}
        if self._reaches(node):
            for replica, rows in sorted(self._world.rows(node).items()):
                wanted = replica not in met and replica <= self._graph.processes[node].replicas
                if wanted and any(row.live for row in rows):
                    followed.append(self._decide_one(node, replica, Rule(renew=reason)))
        if followed:
            self._decisions[node] = followed
            self._bring(node)
        return any(decision.again for decision in followed)

    def _bring(self, node: int) -> None:
        """Start what a process needs that gets a new run though the command is not about it."""
        if self._options.no_deps or node in self._scope.nodes:
            return
        needs = self._graph.closure([node]) - {node}
        self._scope.need(needs)
        for need in sorted(needs):
            decisions = self._decisions.setdefault(need, [])
            met = {decision.instance.replica for decision in decisions}
            decisions += [decision for decision in self._decide(need) if decision.instance.replica not in met]

    def _reaches(self, node: int) -> bool:
        """Return whether a restart may spread to replicas of a process that the command is not about."""
        awake = self._world.seen(self._graph.processes[node].sandbox).state is SandboxState.RUNNING
        return awake and self._graph.active[node] and not self._options.no_deps

    def _wanted_sandboxes(self) -> list[Sandbox]:
        if self._intent is Intent.UP and self._options.targets is None:
            return list(self._world.project.sandboxes)
        holding = {self._graph.processes[node].sandbox for node in self._decisions}
        return [sandbox for sandbox in self._world.project.sandboxes if sandbox.name in holding]

    def _orphans_to_stop(self) -> list[tuple[ObservedRow, str]]:
        remove = self._options.remove_orphans and self._intent is Intent.UP
        awake = {sandbox.name for sandbox in self._wanted_sandboxes()}
        stops = []
        for row in self._world.orphans:
            sandbox = row.instance.sandbox
            if sandbox in self._scope.replaced:
                if self._world.seen(sandbox).state is SandboxState.RUNNING:
                    stops.append((row, f"sandbox {sandbox} is replaced"))
            elif remove and (sandbox in awake or self._world.seen(sandbox).state is SandboxState.RUNNING):
                stops.append((row, "not in the file"))
        return stops

    def _unseen(self) -> list[str]:
        """Sandboxes that are to run and could not be looked into."""
        return [
            sandbox.name
            for sandbox in self._wanted_sandboxes()
            if sandbox.name not in self._scope.replaced
            and self._world.seen(sandbox.name).state in ASLEEP
            and not self._world.seen(sandbox.name).rows
        ]

    def _notes(self) -> Iterator[PlanNote]:
        yield from self._sandbox_notes()
        yield from start_notes(self._world, self._decisions)
        if self._intent is Intent.UP:
            for name in self._world.project.unknown_profiles:
                yield PlanNote("profile", f"SBXCOMPOSE_PROFILES: no process has the profile `{name}`", "")
            yield from self._world.left_notes()
            if not self._options.remove_orphans:
                kept = [row for row in self._world.orphans if row.instance.sandbox not in self._scope.replaced]
                yield from self._world.orphan_notes(kept)
            yield from self._world.foreign_notes(frozenset(self._scope.replaced))
            if self._options.no_recreate:
                yield from self._left_alone(self._scope.nodes)
        else:
            yield from self._left_alone(self._scope.named)
            yield from self._surplus_left_alone()

    def _sandbox_notes(self) -> Iterator[PlanNote]:
        unseen = self._unseen()
        for sandbox in self._wanted_sandboxes():
            seen = self._world.seen(sandbox.name)
            if sandbox.name in unseen:
                text = f"sandbox {sandbox.name} is {seen.state}: what runs in it is seen once it is running"
                yield PlanNote("unseen", text, sandbox.name)
            if seen.differences and sandbox.name not in self._scope.replaced:
                text = f"sandbox {sandbox.name} differs from the file in {_listed(seen.differences)}"
                yield PlanNote("sandbox", f"{text}; `--recreate-sandboxes` replaces it", sandbox.name)
            if self._world.project.provider_of(sandbox) == "local" and seen.state is SandboxState.MISSING:
                yield from _local_notes(sandbox)

    def _left_alone(self, nodes: Iterable[int]) -> Iterator[PlanNote]:
        for node in sorted(nodes):
            process = self._graph.processes[node]
            for decision in self._decisions[node]:
                row = decision.keep
                label = self._world.names.instance(decision.instance)
                if row is not None and row.live and row.digest != process.digest:
                    text = f"{label} runs an older definition; `sbxcompose up {label}` replaces it"
                    yield PlanNote("outdated", text, process.sandbox)

    def _surplus_left_alone(self) -> Iterator[PlanNote]:
        """Say what `scale` has added and neither `start` nor `restart` deals with."""
        for node, replicas in sorted(self._scope.named.items()):
            process = self._graph.processes[node]
            for row in self._world.live_rows(node) if replicas is None else ():
                if row.instance.replica > process.replicas:
                    label = self._world.names.instance(row.instance)
                    text = f"{label} is left as it is: the file has {counted(process.replicas, 'replica')}"
                    yield PlanNote("surplus", f"{text}; `sbxcompose up` stops it", process.sandbox)


def _local_notes(sandbox: Sandbox) -> Iterator[PlanNote]:
    """Yield what has no meaning on this machine, said when the sandbox is made and not at each `up`."""
    known = sandbox.resources or Resources()
    present = {
        "image": sandbox.image is not None,
        "resources.gpus": bool(known.gpus),
        "timeout": sandbox.timeout is not None,
    }
    keys = [key for key, given in present.items() if given]
    if keys:
        verb = "apply" if len(keys) > 1 else "applies"
        pulled = "no image is pulled on this machine; " if "image" in keys else ""
        text = f"sandbox {sandbox.name}: {pulled}{_listed(keys)} {verb} only in the cloud"
        yield PlanNote("local", text, sandbox.name)
    if known.disk is not None and sandbox.isolation == "none":
        text = (
            f"sandbox {sandbox.name}: `resources.disk` needs `isolation: overlay` on this machine; it is not enforced"
        )
        yield PlanNote("local", text, sandbox.name)
    if sandbox.setup_cache != "none" and not sandbox.copied and sandbox.isolation == "none":
        text = f"sandbox {sandbox.name}: `setup_cache` needs `workspace: copy` or `isolation: overlay` on this machine"
        yield PlanNote("local", f"{text}; what `setup` does stays in the project's directory", sandbox.name)


def _listed(words: tuple[str, ...] | list[str]) -> str:
    quoted = [f"`{word}`" for word in words]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
