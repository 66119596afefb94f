"""The states of one moment put together: where each instance stands, who holds up whom, and how to say it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from operator import itemgetter

from msgspec import Struct

from sbxcompose.plan.decisions import completed, satisfies
from sbxcompose.plan.describe import doing, gave_up, seconds, unready
from sbxcompose.plan.graph import Graph
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.outcomes import Failed, InstanceState, Mode, Pending, Report, Skipped
from sbxcompose.plan.stability import counts_in, crash_loop_text, in_crash_loop, stable_in, stop_counts_in
from sbxcompose.spec.project import Condition, RestartPolicy


class ProgressState(Enum):
    """Where an instance stands on the way to where it should be."""

    PENDING = auto()
    """Not there yet, and may still get there."""
    READY = auto()
    COMPLETED = auto()
    """Ended well."""
    ENDED = auto()
    """Failed, and dependents only wait for its end."""
    STOPPED = auto()
    """Stopped on request meanwhile."""
    FAILED = auto()


LOST = frozenset({ProgressState.STOPPED, ProgressState.FAILED})


class CommandTime(Struct, frozen=True):
    """The time at which a command looks, when it began, and until when it waits; seconds since 1970."""

    now: float
    began: float = 0.0
    deadline: float | None = None

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and self.now >= self.deadline


class Progress:
    """All states of one moment, with what can be told from them."""

    def __init__(
        self, graph: Graph, names: ProcessNames, mode: Mode, states: Iterable[InstanceState], time: CommandTime
    ) -> None:
        self._graph = graph
        self._names = names
        self._ended = mode.awaits_ends
        self._patient = mode.is_patient
        self._now = time.now
        self._began = time.began
        self._late = time.late
        placed = sorted(
            ((self.node(state), state.instance.replica, number, state) for number, state in enumerate(states)),
            key=itemgetter(0, 1, 2),
        )
        self.states = [state for *_, state in placed]
        self._by_node: dict[int, list[tuple[InstanceState, ProgressState]]] = {}
        self._unmet: dict[int, dict[Instance, tuple[InstanceState, ProgressState]]] = {}
        """The needed instances that have not reached what a process needs of them, by process."""
        self._doomed: set[int] = set()
        """Processes that wait, near or far, for one that is lost."""
        for node, _, _, state in placed:
            self._by_node.setdefault(node, []).append((state, self._state_of(state, node)))
        for node in self._by_node:
            unmet = self._unmet[node] = self._unmet_of(node)
            if unmet and any(self._hopeless(*needed) for needed in unmet.values()):
                self._doomed.add(node)

    def node(self, state: InstanceState) -> int:
        """Return the number of the state's process."""
        return self._graph.index[state.instance.sandbox, state.instance.process]

    def job(self, state: InstanceState) -> bool:
        """Return whether it is there to finish."""
        return self._graph.job[self.node(state)]

    def ends_all(self, state: InstanceState) -> bool:
        """Return whether its end is the end of all, as its `stop_all_on` says. A stop on request is not, nor is
        an end from before the command.
        """
        asked = self._graph.processes[self.node(state)].stop_all_on
        if asked is None or state.ended_before:
            return False
        if state.error is not None:
            return True
        row = state.row
        if row is None or row.phase is not Phase.EXITED:
            return False
        return asked == "exit" or row.exit is None or not row.exit.success

    def in_state(self, *wanted: ProgressState) -> list[InstanceState]:
        """Return the states that stand so."""
        return [state for group in self._by_node.values() for state, reached in group if reached in wanted]

    def pending(self) -> list[InstanceState]:
        """Return those that may still get where they should."""
        behind = self.in_state(ProgressState.PENDING)
        return [state for state in behind if state.row is not None or self.node(state) not in self._doomed]

    def doomed(self) -> list[InstanceState]:
        """Return those that will not be started, because of one that is lost."""
        behind = self.in_state(ProgressState.PENDING)
        return [state for state in behind if state.row is None and self.node(state) in self._doomed]

    def _state_of(self, state: InstanceState, node: int) -> ProgressState:
        if state.error is not None:
            return ProgressState.FAILED
        row = state.row
        if row is None:
            return ProgressState.PENDING
        match row.phase:
            case _ if row.past:
                return ProgressState.STOPPED
            case Phase.STOPPED:
                return ProgressState.PENDING if self.may_be_restarted(state) else ProgressState.STOPPED
            case Phase.EXITED:
                if self._ended_well(state, row):
                    return ProgressState.COMPLETED
                return ProgressState.ENDED if self._graph.any_end[node] else ProgressState.FAILED
            case Phase.RUNNING if self._is_ready(state, row, node):
                return ProgressState.READY
            case _ if self._loops(row):
                return ProgressState.FAILED
            case _:
                return ProgressState.PENDING

    def may_be_restarted(self, state: InstanceState) -> bool:
        """Return whether another command has stopped it just now, perhaps to restart it."""
        return state.row is not None and not state.ended_before and stop_counts_in(state.row, self._now) > 0.0

    def _loops(self, row: ObservedRow) -> bool:
        return not self._patient and in_crash_loop(row, self._began, self._now)

    def looping(self) -> list[InstanceState]:
        """Return those in a crash loop, where that is a failure: their supervisor would continue trying."""
        return [state for state in self.in_state(ProgressState.FAILED) if state.row is not None and state.row.live]

    def recheck_at(self, waiting: Iterable[InstanceState] = ()) -> float | None:
        """Return the moment at which time alone changes where one stands: a run becomes stable, a stop counts.

        `waiting` are waited for beside those that are behind.
        """
        left = [
            seconds
            for state in (*self.in_state(ProgressState.PENDING), *waiting)
            if state.row is not None
            and (seconds := stable_in(state.row, self._now) or stop_counts_in(state.row, self._now))
        ]
        return self._now + min(left) if left else None

    def _ended_well(self, state: InstanceState, row: ObservedRow) -> bool:
        """Exit code 0, unless it was to run forever or should have been ready first."""
        node = self.node(state)
        if row.exit is None or not row.exit.success:
            return False
        if completed(row, job=self._graph.job[node]):
            return True
        if self._graph.processes[node].restart.policy is RestartPolicy.ALWAYS:
            return False
        checked = self._graph.condition(node) is Condition.READY
        return self._ended or state.ready or not checked

    def _is_ready(self, state: InstanceState, row: ObservedRow, node: int) -> bool:
        """Return whether what says so has been seen, and the current run is stable if one without a check, or one
        before it, failed.
        """
        condition = self._graph.condition(node)
        if condition is Condition.STARTED:
            return stable_in(row, self._now) == 0.0
        if counts_in(row, self._began, self._now) != 0.0:
            return False
        if condition is Condition.READY and state.ready:
            return True
        return satisfies(row, condition, self._graph.processes[node], self._graph.job[node])

    def _unmet_of(self, node: int) -> dict[Instance, tuple[InstanceState, ProgressState]]:
        """Return what of its needs is missing; behind a need that is met and was not started now, also what that one
        lacks.

        Steps are ordered the same way: see `step_builder`.
        """
        unmet: dict[Instance, tuple[InstanceState, ProgressState]] = {}
        for edge in self._graph.needs[node]:
            condition = self._graph.condition(edge.node, edge.condition)
            for state, reached in self._by_node.get(edge.node, ()):
                if not self._met(state, reached, condition):
                    unmet[state.instance] = (state, reached)
                elif state.kept:
                    unmet.update(self._unmet.get(edge.node, ()))
        return unmet

    def _met(self, state: InstanceState, reached: ProgressState, condition: Condition) -> bool:
        if condition is Condition.ENDED:
            return state.row is not None and state.row.phase is Phase.EXITED
        if condition is Condition.COMPLETED:
            return state.row is not None and completed(state.row, job=self.job(state))
        if condition is Condition.STARTED and state.row is not None and state.row.live:
            return counts_in(state.row, self._began, self._now) == 0.0
        return reached in (ProgressState.READY, ProgressState.COMPLETED)

    def _hopeless(self, state: InstanceState, reached: ProgressState) -> bool:
        return reached in LOST or (state.row is None and self.node(state) in self._doomed)

    def report(self, state: InstanceState, *, lines: bool = True) -> Report:
        """Return what is to be said of one that is not as it should be."""
        waits: tuple[str, ...] = ()
        if state.row is None and state.error is None:
            waits = tuple(map(self._names.instance, self._unmet[self.node(state)]))
        said = state.lines if lines else ()
        # Also an error may be about a run of this command: a wait for it that has failed.
        ran = state.error is None or (state.row is not None and not state.ended_before)
        return Report(state.instance, self.label(state), self._doing(state, waits), waits, said, ran)

    def _doing(self, state: InstanceState, waits: tuple[str, ...]) -> str:
        node = self.node(state)
        row = state.row
        if state.error is not None:
            return state.error
        if row is None:
            if waits:
                return f"waits for {_shortened(waits)}"
            return (state.start and state.start()) or "has not been started"
        process = self._graph.processes[node]
        words = [crash_loop_text(row, row.failed_runs) if self._loops(row) else self._age(row) or doing(row, self._now)]
        if row.phase is Phase.RUNNING and not self._is_ready(state, row, node):
            words.append(unready(process, self._graph.condition(node)))
        if row.live and state.check is not None and state.check != row.last_check:
            words.append(f"the last check saw: {state.check}")
        if (given_up := gave_up(row, process)) is not None:
            words.append(given_up)
        elif row.phase is Phase.EXITED and row.exit is not None and row.exit.success:
            words.append("expected to keep running" if self._is_lost(state) else "it is done")
        return ", ".join(words)

    def _age(self, row: ObservedRow) -> str | None:
        """Return how long it has been running, once it is too late to wait for it."""
        if not self._late or row.phase is not Phase.RUNNING or row.started_at is None:
            return None
        return f"has been running for {seconds(self._now - row.started_at)}"

    def _is_lost(self, state: InstanceState) -> bool:
        return any(other is state and reached in LOST for other, reached in self._by_node[self.node(state)])

    def failed(self, causes: Iterable[InstanceState], exit_code: int = 1, ended_by: str | None = None) -> Failed:
        """Return a failure with what it holds up."""
        return Failed(
            tuple(self.report(state) for state in causes),
            tuple(self.report(state, lines=False) for state in self.doomed()),
            exit_code,
            ended_by,
        )

    def skipped(self, done: Iterable[InstanceState]) -> tuple[Skipped, ...]:
        """Return those of the completed ones that completed before the command, and were not run again."""
        return tuple(self._skipped(state) for state in done if state.ended_before)

    def _skipped(self, state: InstanceState) -> Skipped:
        at = state.row.exit.at if state.row is not None and state.row.exit is not None else None
        ago = None if at is None else self._now - at
        return Skipped(state.instance, self._names.instance(state.instance), at, ago)

    def with_needs(self, waiting: Iterable[InstanceState]) -> list[InstanceState]:
        """Return these and what they wait for, near or far, in the order of dependencies."""
        found = {state.instance: state for state in waiting}
        left = list(found.values())
        while left:
            state = left.pop()
            missing = self._unmet[self.node(state)] if state.row is None else {}
            new = {instance: need for instance, (need, _) in missing.items() if instance not in found}
            found.update(new)
            left += new.values()
        return [state for state in self.states if state.instance in found]

    def unproven_needs(self, states: Iterable[InstanceState]) -> list[InstanceState]:
        """Return what these need as ready, near or far, that has no check and has not run stably.

        Such a need counts as ready as soon as it runs, so that no bring-up waits for a second. Of what has ended
        meanwhile only those are returned whose last run failed before it was stable.
        """
        left = [self.node(state) for state in states]
        seen: set[int] = set()
        found: list[InstanceState] = []
        while left:
            node = left.pop()
            for edge in self._graph.needs[node]:
                if edge.node in seen or edge.condition is not Condition.READY:
                    continue
                seen.add(edge.node)
                left.append(edge.node)
                if self._graph.condition(edge.node, edge.condition) is Condition.STARTED:
                    found += [
                        state for state, reached in self._by_node.get(edge.node, ()) if self._fell(state, reached)
                    ]
        return found

    def _fell(self, state: InstanceState, reached: ProgressState) -> bool:
        """Return whether its run is not stable, or was not when it failed."""
        row = state.row
        if row is None:
            return False
        return stable_in(row, self._now) != 0.0 if row.live else reached is ProgressState.FAILED and row.failed_runs > 0

    def label(self, state: InstanceState) -> str:
        """Return what people call it."""
        return self._names.instance(state.instance)

    def pending_verdict(self, waiting: Iterable[InstanceState]) -> Pending:
        """No verdict yet, with the roots of the waiting told from those that wait for others."""
        waiting = list(waiting)
        return Pending(lambda: [self.report(state) for state in waiting], self.recheck_at(waiting))


def _shortened(names: tuple[str, ...]) -> str:
    if len(names) <= 4:
        return ", ".join(names)
    return f"{', '.join(names[:3])} and {len(names) - 3} others"
