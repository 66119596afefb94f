"""Plans that end things: `stop`, `down`."""

from __future__ import annotations

from collections.abc import Iterator

from sbxcompose.plan.observed import ObservedRow, SandboxState
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.ordering import FIRST, StepOrdering
from sbxcompose.plan.step_builder import place, stop_action, stop_one_off
from sbxcompose.plan.steps import MarkDown, Plan, PlanNote, ResumeSandbox, SuspendSandbox, TerminateSandbox
from sbxcompose.plan.stopping import order_stops
from sbxcompose.plan.world import GONE, World
from sbxcompose.spec.project import CONNECTORS, Sandbox


class TearDown:
    """One use: `TearDown(world, intent, options).plan()`."""

    def __init__(self, world: World, intent: Intent, options: PlanOptions) -> None:
        self._world = world
        self._options = options
        self._whole = intent is Intent.DOWN and options.targets is None
        self._terminate = self._whole and options.terminate
        self._reason = options.because or f"{intent} was asked for"
        self._draft = StepOrdering()
        self._awake: dict[str, int] = {}
        """The step after which a suspended sandbox runs, by its name."""
        self._inside: dict[str, list[int]] = {}
        """The stops in each sandbox, by its name."""
        self._finishing: set[str] = set()
        """The sandboxes in which something is stopped that could complete before that."""

    def plan(self) -> Plan:
        """Stop all that is meant, dependents before what they need; then see to the sandboxes."""
        hidden = [name for name in self._world.sandboxes if self._is_hidden(name)]
        for name in hidden:
            self._wake(name)
        stops: dict[int, list[int]] = {}
        for row in self._orphans():
            self._stop(row, self._reason if self._options.targets else "not in the file", FIRST)
        for node, rows in self._rows():
            stops[node] = [self._stop(row, self._reason, place(node, 0)) for row in rows]
        if self._whole:
            self._stop_one_offs(stops)
        order_stops(self._draft, self._world.graph, stops, {stop for own in stops.values() for stop in own})
        if self._whole:
            for sandbox in self._world.project.sandboxes:
                self._end(sandbox)
        left = self._world.observed.left if self._whole and self._options.remove_orphans else ()
        return Plan(self._draft.numbered(), tuple(self._notes()), provisional=bool(hidden), left=left)

    def _is_hidden(self, name: str) -> bool:
        """Return whether a suspended sandbox has to run before it can be seen what is to be stopped in it.

        It cannot be told from outside whether it was suspended by an earlier `down`, by `pause`, or for being idle.
        """
        seen = self._world.seen(name)
        if seen.state is not SandboxState.SUSPENDED or seen.rows:
            return False
        if self._whole:
            return not self._terminate
        targets = self._options.targets
        return targets is None or any(target.sandbox == name for target in targets)

    def _rows(self) -> Iterator[tuple[int, list[ObservedRow]]]:
        """Yield what runs and is meant, by process."""
        graph = self._world.graph
        targets = self._options.targets
        known = targets and frozenset(target for target in targets if (target.sandbox, target.process) in graph.index)
        chosen = None if known is None else self._world.chosen(known)
        for node in range(len(graph.processes)) if chosen is None else sorted(chosen):
            replicas = None if chosen is None else chosen[node]
            rows = [
                row
                for row in self._world.live_rows(node)
                if self._stoppable(row) and (replicas is None or row.instance.replica in replicas)
            ]
            if rows:
                yield node, rows

    def _orphans(self) -> list[ObservedRow]:
        """Rows that the file no longer has; they would not outlive a sandbox that is terminated."""
        return [row for row in self._world.orphans if self._removes(row) and self._stoppable(row)]

    def _removes(self, row: ObservedRow) -> bool:
        if self._options.targets is not None:
            return any(target.covers(row.instance) for target in self._options.targets)
        return self._options.remove_orphans or (self._terminate and row.instance.sandbox in self._world.sandboxes)

    def _stoppable(self, row: ObservedRow) -> bool:
        """Whether it has to be stopped by itself: what is suspended need not wake up in order to be terminated."""
        return not self._terminate or self._world.seen(row.instance.sandbox).state is SandboxState.RUNNING

    def _stop(self, row: ObservedRow, reason: str, position: int) -> int:
        name = row.instance.sandbox
        awake = self._wake(name)
        label = self._world.names.instance(row.instance)
        action = stop_action(self._world, row, self._options.grace)
        step = self._draft.add(action, label, reason, position, [] if awake is None else [awake])
        self._inside.setdefault(name, []).append(step)
        if row.one_shot or self._is_job(row):
            self._finishing.add(name)
        return step

    def _stop_one_offs(self, stops: dict[int, list[int]]) -> None:
        """Add the stops of what `run` and `exec` have started: like their process, before what that needs."""
        for name in self._world.sandboxes:
            if self._terminate and self._world.seen(name).state is not SandboxState.RUNNING:
                continue
            for command in self._world.one_offs(name):
                assert command.beside is not None
                if command.attached and not self._options.attached:
                    continue
                node = self._world.graph.index.get((name, command.beside.process))
                awake = self._wake(name)
                action = stop_one_off(self._world, command, command.beside, self._options.grace)
                label = self._world.names.instance(command.beside)
                position = FIRST if node is None else place(node, 0)
                step = self._draft.add(action, label, self._reason, position, [] if awake is None else [awake])
                self._inside.setdefault(name, []).append(step)
                if node is not None:
                    stops.setdefault(node, []).append(step)

    def _is_job(self, row: ObservedRow) -> bool:
        graph = self._world.graph
        node = graph.index.get((row.instance.sandbox, row.instance.process))
        return node is not None and graph.job[node]

    def _wake(self, name: str) -> int | None:
        """Return the step that resumes a suspended sandbox in which something has to be stopped."""
        sandbox = self._world.sandboxes.get(name)
        if sandbox is None or self._world.seen(name).state is not SandboxState.SUSPENDED:
            return None
        if name not in self._awake:
            self._awake[name] = self._draft.add(ResumeSandbox(sandbox), name, "is suspended", FIRST)
        return self._awake[name]

    def _end(self, sandbox: Sandbox) -> None:
        state = self._world.seen(sandbox.name).state
        if state in GONE:
            return
        last = place(len(self._world.graph.processes), 0)
        # What carries its connections ends what it has started in it, for which that has to run.
        stops = [*self._inside.get(sandbox.name, []), *self._inside.get(CONNECTORS, [])]
        if self._terminate:
            reason = self._options.because or "down --terminate was asked for"
            self._draft.add(TerminateSandbox(sandbox), sandbox.name, reason, last, stops)
            return
        if self._has_completed(sandbox.name, state):
            woken = self._wake(sandbox.name)
            awake = [woken] if woken is not None and not stops else []
            forget = self._draft.add(MarkDown(sandbox), sandbox.name, self._reason, last, [*stops, *awake])
            stops = [forget]
        if self._is_remote(sandbox.name) and self._runs(sandbox.name, state):
            awake = [self._awake[sandbox.name]] if sandbox.name in self._awake and not stops else []
            self._draft.add(SuspendSandbox(sandbox), sandbox.name, self._reason, last, [*stops, *awake])

    def _is_remote(self, name: str) -> bool:
        return self._world.project.provider_of(self._world.sandboxes[name]) == "tensorlake"

    def _runs(self, name: str, state: SandboxState) -> bool:
        """Return whether a sandbox runs, or will have been resumed, before it is suspended."""
        return state is not SandboxState.SUSPENDED or name in self._awake

    def _has_completed(self, name: str, state: SandboxState) -> bool:
        """Return whether something in a sandbox would count as completed after this `down`."""
        if name in self._finishing:
            return True
        if state not in (SandboxState.RUNNING, SandboxState.SUSPENDED):
            return False
        if self._world.seen(name).failures:
            return True  # a failed start is of this life, too
        rows = self._world.seen(name).rows
        return any(row.ended_well and not row.instance.process.startswith("@") for row in rows)

    def _notes(self) -> Iterator[PlanNote]:
        if self._whole and not self._terminate:
            yield from self._costs()
        if self._whole:
            yield from self._world.left_notes(ends=self._options.remove_orphans)
            yield from self._world.orphan_notes([row for row in self._world.orphans if not self._removes(row)])
            ends = frozenset(self._world.sandboxes) if self._terminate else frozenset()
            yield from self._world.foreign_notes(ends, one_offs=False)

    def _costs(self) -> Iterator[PlanNote]:
        """Yield what is left of the project in the cloud."""
        remote = [name for name in self._world.sandboxes if self._is_remote(name)]
        left = [name for name in remote if self._world.seen(name).state not in GONE]
        if left:
            one = len(left) == 1
            what = f"sandbox {left[0]} stays" if one else f"{len(left)} sandboxes stay"
            way = f"`sbxcompose down --terminate` ends {'it' if one else 'them'}"
            yield PlanNote("kept", f"{what} suspended, which may cost; {way}", left[0] if one else "")
