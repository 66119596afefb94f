"""What an attached command does next, whatever becomes of the wake-ups on the way."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.plan.converge import ApplyFile, Convergence, RestartTargets, StopRemoved, Work
from sbxcompose.plan.diff import plan
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan, Start, Step, Stop
from sbxcompose.spec.project import Project
from tests.unit.plan.plan_worlds import V2, process, project, world

WEB, DB = Target("main", "web"), Target("main", "db")
WEB1, WEB2, DB1 = Instance("main", "web", 1), Instance("main", "web", 2), Instance("main", "db", 1)
SHOP = project(process("web"), process("db"))
SAVED = "site/page changed"


def planned(core: Convergence, project: Project = SHOP, *rows: ObservedRow) -> Plan:
    """Begin the next work and plan it."""
    work = core.next_work()
    assert work is not None
    core.begin(work)
    found = plan_of(work, project, *rows)
    core.planned(found, {row.instance: row.run for row in rows})
    return found


def plan_of(work: Work, project: Project, *rows: ObservedRow) -> Plan:
    match work:
        case StopRemoved(targets, owner):
            return plan(owner, world(*rows), Intent.STOP, PlanOptions(targets=targets))
        case RestartTargets(targets, because):
            return plan(project, world(*rows), Intent.RESTART, PlanOptions(targets=targets, because=because))
        case ApplyFile(options):
            return plan(project, world(*rows), Intent.UP, options)


def up(options: PlanOptions = PlanOptions()) -> Convergence:  # noqa: B008 (frozen)
    core = Convergence(SHOP)
    core.bring_up(options)
    return core


def test_nothing_is_done_before_something_is_wanted() -> None:
    core = Convergence(SHOP)
    assert not core.busy
    assert core.next_work() is None


def test_one_bring_up_is_carried_out_once() -> None:
    core = up()
    planned(core)
    assert core.busy
    core.finished(good=True)
    assert not core.busy


def test_a_request_before_the_start_has_begun_needs_no_start_more() -> None:
    core = up()
    planned(core)
    assert core.restart({WEB: SAVED}) == {WEB}
    assert not core.must_interrupt()
    core.start_begun(WEB1)
    core.start_ended(WEB1)
    core.finished(good=True)
    assert core.next_work() is None


def test_a_request_after_the_start_has_begun_interrupts_and_restarts() -> None:
    core = up()
    planned(core)
    core.start_begun(WEB1)
    assert core.restart({WEB: SAVED}) == frozenset()
    assert core.must_interrupt()
    core.interrupted({WEB1: 1})
    assert core.next_work() == RestartTargets(frozenset({WEB}), SAVED, {WEB1: 1})
    planned(core)
    core.start_begun(WEB1)
    core.finished(good=True)
    assert isinstance(core.next_work(), ApplyFile)  # the rest of what was interrupted


def test_requests_that_interrupt_the_planning_of_others_do_not_replace_them() -> None:
    core = up()
    planned(core)
    core.finished(good=True)
    core.restart({WEB: "a changed"})
    work = core.next_work()
    assert work is not None
    core.begin(work)
    core.restart({DB: "b changed"})
    assert core.must_interrupt()
    core.interrupted({})
    work = core.next_work()
    assert isinstance(work, RestartTargets)
    assert (work.targets, work.because) == (frozenset({WEB, DB}), "a changed, b changed")


def test_of_replicas_only_those_are_restarted_that_the_plan_has_begun() -> None:
    shop = project(process("web", replicas=2))
    core = Convergence(shop)
    core.bring_up(PlanOptions())
    planned(core, shop)
    core.start_begun(WEB1)
    core.start_ended(WEB1)
    assert core.restart({WEB: SAVED}) == frozenset()
    core.start_begun(WEB2)  # before anybody has looked
    core.interrupted({WEB1: 1, WEB2: 1})
    work = core.next_work()
    assert isinstance(work, RestartTargets)
    assert work.targets == {replace(WEB, replica=1)}


def test_a_start_whose_answer_was_cut_off_counts_if_it_has_happened() -> None:
    core = up()
    planned(core)
    core.finished(good=True)
    core.restart({WEB: SAVED, DB: SAVED})
    planned(core)
    core.start_begun(WEB1)
    core.start_begun(DB1)
    core.interrupted({WEB1: 1, DB1: 0})
    work = core.next_work()
    assert isinstance(work, RestartTargets)
    assert work.targets == {DB}


def test_a_restart_with_nothing_to_start_is_not_tried_forever() -> None:
    core = up()
    planned(core)
    core.finished(good=True)
    core.restart({WEB: SAVED})
    work = core.next_work()
    assert work is not None
    core.begin(work)
    core.planned(Plan(), {})
    assert not core.must_interrupt()
    core.finished(good=True)
    assert core.next_work() is None


def test_a_failed_work_is_not_tried_again_until_a_restart_succeeds() -> None:
    core = up()
    planned(core)
    core.finished(good=False)
    assert core.next_work() is None
    core.restart({WEB: SAVED})
    planned(core)
    core.finished(good=True)
    assert isinstance(core.next_work(), ApplyFile)


def test_what_the_command_named_runs_again_once() -> None:
    core = up(PlanOptions(rerun=frozenset({WEB, DB}), force_recreate=True))
    planned(core)
    core.start_begun(WEB1)
    core.start_ended(WEB1)
    core.reload(SHOP, PlanOptions(rerun=frozenset({WEB, DB}), force_recreate=True))
    assert core.must_interrupt()
    core.interrupted({WEB1: 1})
    work = core.next_work()
    assert isinstance(work, ApplyFile)
    assert work.options.rerun == {DB}
    planned(core)
    core.finished(good=True)
    core.reload(SHOP, PlanOptions(rerun=frozenset({WEB, DB}), force_recreate=True))
    work = core.next_work()
    assert isinstance(work, ApplyFile)
    assert work.options == PlanOptions()


def test_each_removed_process_is_stopped_by_the_file_that_had_it() -> None:
    first, second, third = project(process("a"), process("b"), process("c")), project(process("b")), project()
    core = Convergence(first)
    core.reload(second, PlanOptions())
    core.reload(third, PlanOptions())
    stops = []
    while isinstance(work := core.next_work(), StopRemoved):
        stops.append((sorted(target.process for target in work.targets), work.project))
        core.begin(work)
        core.finished(good=True)
    assert stops == [(["a", "c"], first), (["b"], second)]


def test_a_process_that_comes_back_before_it_was_stopped_is_kept() -> None:
    core = Convergence(SHOP)
    core.reload(project(process("web")), PlanOptions())
    core.reload(SHOP, PlanOptions())
    assert isinstance(core.next_work(), ApplyFile)


def test_a_reload_forgets_restarts_of_what_is_gone() -> None:
    core = Convergence(project(process("web", replicas=2), process("db")))
    core.restart({WEB: SAVED, DB: SAVED})
    core.reload(project(process("web")), PlanOptions())
    work = core.next_work()
    assert isinstance(work, StopRemoved)
    core.begin(work)
    core.finished(good=True)
    assert core.next_work() == RestartTargets(frozenset({WEB}), SAVED, {WEB1: 1})


# Any wake-ups: a world with a clock of its own, in which each step takes its time.

EDITIONS = (
    project(process("web", replicas=2), process("db")),
    project(process("web", replicas=2, digest=V2), process("db")),
    project(process("web"), process("db", digest=V2), process("extra")),
    project(process("db")),
)


END = 100
"""When the last wake-up comes, after everything has been asked for."""


class Ask(Struct, frozen=True):
    """Something that is asked for at a time; `wakes` are the delays of the wake-ups that come of it, if any."""

    at: int
    what: str | int
    wakes: tuple[int, ...]


class Started(Struct, frozen=True):
    """A start that has happened: when it began, and of which definition."""

    begun: int
    digest: str


class VirtualWorld:
    """Carries out what a `Convergence` says, looking at it only when woken or when its own work has ended."""

    def __init__(self, durations: list[int], happens: bool) -> None:
        self.core = Convergence(EDITIONS[0])
        self.now = 0
        self.starts: dict[Instance, list[Started]] = {}
        self._rows: dict[Instance, ObservedRow] = {}
        self._durations = durations
        self._happens = happens
        """Whether a start that is interrupted has happened all the same."""
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._attempt = 0
        self._left: dict[int, Step] = {}
        self._running: dict[int, tuple[Step, int]] = {}
        self._working = False

    def at(self, time: int, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (time, self._count, call))

    def run(self) -> None:
        while self._queue:
            assert self._count < 5000, "never comes to rest"
            self.now, _, call = heapq.heappop(self._queue)
            call()

    def look(self) -> None:
        """Wake up."""
        if self._working and self.core.must_interrupt():
            for step, begun in self._running.values():
                if self._happens:
                    self._perform(step, begun)
            self._stop_working()
            self.core.interrupted(self._runs())
        if not self._working and (work := self.core.next_work()) is not None:
            self.core.begin(work)
            self._working = True
            project = self.core.project
            self._later(lambda: self._plan(work, project))

    def _stop_working(self) -> None:
        self._working = False
        self._attempt += 1
        self._running.clear()

    def _later(self, call: Callable[[], None]) -> None:
        """Call it after a time of its own, unless what is under way has been interrupted by then."""
        attempt = self._attempt
        duration = self._durations[self._count % len(self._durations)]
        self.at(self.now + duration, lambda: call() if attempt == self._attempt else None)

    def _plan(self, work: Work, project: Project) -> None:
        found = plan_of(work, project, *self._rows.values())
        self.core.planned(found, self._runs())
        self._left = {step.number: step for step in found}
        self._go_on()

    def _go_on(self) -> None:
        open_steps = {*self._left, *self._running}
        for number, step in list(self._left.items()):
            if open_steps.isdisjoint(step.after):
                self._begin(self._left.pop(number))
        if not open_steps:
            self._stop_working()
            self.core.finished(good=True)
            self.look()

    def _begin(self, step: Step) -> None:
        self._running[step.number] = (step, self.now)
        if isinstance(step.action, Start):
            self.core.start_begun(step.action.instance)
        self._later(lambda: self._end(step))

    def _end(self, step: Step) -> None:
        _, begun = self._running.pop(step.number)
        self._perform(step, begun)
        if isinstance(step.action, Start):
            self.core.start_ended(step.action.instance)
        self._go_on()

    def _perform(self, step: Step, begun: int) -> None:
        match step.action:
            case Start(process, instance, name):
                history = self.starts.setdefault(instance, [])
                history.append(Started(begun, process.digest))
                self._rows[instance] = ObservedRow(instance, process.digest, name, Phase.RUNNING, run=len(history))
            case Stop(row):
                self._rows[row.instance] = replace(row, phase=Phase.STOPPED)

    def _runs(self) -> dict[Instance, int]:
        return {instance: row.run for instance, row in self._rows.items()}

    def running(self) -> dict[Instance, str]:
        return {instance: row.digest for instance, row in self._rows.items() if row.live}


ASKS = st.lists(
    st.builds(
        Ask,
        st.integers(0, 60),
        st.sampled_from(["web", "db", "extra", 0, 1, 2, 3]),
        st.lists(st.integers(0, 20), max_size=3).map(tuple),
    ),
    max_size=12,
)


@given(ASKS, st.lists(st.integers(0, 9), min_size=1, max_size=7), st.booleans())
def test_lost_doubled_and_merged_wake_ups_lead_to_the_same_state(
    asks: list[Ask], durations: list[int], happens: bool
) -> None:
    asks = sorted(asks, key=lambda ask: ask.at)
    virtual = VirtualWorld(durations, happens)
    virtual.core.bring_up(PlanOptions())
    virtual.at(0, virtual.look)
    for ask in asks:
        virtual.at(ask.at, lambda what=ask.what: request(virtual.core, what))  # type: ignore[misc]
        for delay in ask.wakes:
            virtual.at(ask.at + delay, virtual.look)
    virtual.at(END, virtual.look)  # whatever was lost, one comes in the end
    virtual.run()
    assert not virtual.core.busy
    wanted = instances_of(virtual.core.project)
    assert virtual.running() == wanted
    for instance in wanted:
        check_starts(instance, virtual.starts[instance], asks)


def request(core: Convergence, what: str | int) -> None:
    if isinstance(what, int):
        core.reload(EDITIONS[what], PlanOptions())
    elif any(process.name == what for process in core.project.processes()):
        core.restart({Target("main", what): SAVED})


def check_starts(instance: Instance, starts: list[Started], asks: list[Ask]) -> None:
    """Each request is followed by a start, and each start but the first has a cause of its own."""
    changes = [(0, instances_of(EDITIONS[0]).get(instance))]
    changes += [(ask.at, instances_of(EDITIONS[ask.what]).get(instance)) for ask in asks if isinstance(ask.what, int)]
    periods = list(zip(changes, [*changes[1:], (END, None)], strict=True))
    """Each change of what is wanted, and the next."""
    wanted_since = max((until for (_, digest), (until, _) in periods if digest is None), default=0)
    requests = [ask.at for ask in asks if ask.what == instance.process]
    assert all(starts[-1].begun >= asked for asked in requests if asked > wanted_since)
    for before, after in pairwise(starts):
        asked = any(before.begun <= asked <= after.begun for asked in requests)
        other = any(
            digest != before.digest and since <= after.begun and before.begun <= until
            for (since, digest), (until, _) in periods
        )
        assert asked or other


def instances_of(project: Project) -> dict[Instance, str]:
    """Every replica, and its digest."""
    return {
        Instance("main", process.name, replica): process.digest
        for process in project.processes()
        for replica in range(1, process.replicas + 1)
    }
