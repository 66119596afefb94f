"""Laws of every plan, over made-up worlds."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sbxcompose.plan.diff import plan
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import LIVE, Foreign, Instance, Observed, ObservedRow, Phase, SandboxState
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.steps import Plan, ResumeSandbox, Start, Step, Stop, SuspendSandbox
from sbxcompose.spec.project import (
    Condition,
    Dependency,
    Process,
    Project,
    ProviderName,
    ReadyLine,
    Restart,
    RestartPolicy,
)
from tests.support.examples import examples
from tests.unit.plan.plan_worlds import (
    ALWAYS,
    CHECK,
    FAILED,
    GOOD,
    NEVER,
    V1,
    V2,
    Simulator,
    forwards,
    process,
    project,
    row,
    seen,
)

NAMES = ("a", "b", "c", "d", "e")
SANDBOXES = ("left", "right")


# Made once: a strategy that is made while another one draws is checked again each time.
COIN = st.booleans()
ONE_IN_THREE = st.integers(0, 2).map(lambda number: number == 0)
THREE_IN_FOUR = st.integers(0, 3).map(lambda number: number > 0)
ONE_IN_SIX = st.integers(0, 5).map(lambda number: number == 0)
NUMBER_OF_PROCESSES = st.integers(1, len(NAMES))
SHAPES = st.integers(0, 63)
REPLICAS = st.sampled_from((1, 1, 1, 2, 3))
ROWS = st.sampled_from((0, 1, 1, 2))
PHASES = st.sampled_from(list(Phase))
EXITS = st.sampled_from((GOOD, FAILED))
DIGESTS = st.sampled_from((V1, V1, V2))
PROVIDERS: st.SearchStrategy[ProviderName] = st.sampled_from(("local", "tensorlake"))
STATES = st.sampled_from([SandboxState.RUNNING] * 4 + list(SandboxState))
DIFFERENCES: st.SearchStrategy[tuple[str, ...]] = st.sampled_from(((), (), ("image",)))
ORDERS = st.integers(0, 2**16)


class World:
    """A project, what is observed, and a seed for the order in which steps are carried out."""

    def __init__(self, project: Project, observed: Observed, order: int) -> None:
        self.project = project
        self.observed = observed
        self.order = order

    def __repr__(self) -> str:
        """Short enough to see what went wrong in a failing example."""
        lines = [f"{self.project.provider}, order {self.order}"]
        for one_process in [*self.project.processes(), *self.project.inactive]:
            needs = [f"{need.process} {need.condition} {need.restart}" for need in one_process.depends_on]
            checks = f"{one_process.health_check is not None} {one_process.ready_when is not None}"
            off = "inactive" if one_process in self.project.inactive else ""
            policy = f"{one_process.restart.policy} {one_process.update}"
            lines.append(f"{one_process.address} x{one_process.replicas} {policy} {checks} {needs} {off}")
        for sandbox in self.observed.sandboxes:
            rows = [f"{one_row.name} {one_row.phase} {one_row.exit}" for one_row in sandbox.rows]
            lines.append(f"{sandbox.name} {sandbox.state} {sandbox.differences} {rows}")
        return "\n".join(lines)


CONDITIONS = st.sampled_from(list(Condition))
CONDITIONS_OF_ENDLESS = st.sampled_from(
    [item for item in Condition if item not in (Condition.COMPLETED, Condition.ENDED)]
)
"""What others may ask of a process that is always restarted: it never ends."""


def _conditions(other: Process) -> st.SearchStrategy[Condition]:
    return CONDITIONS_OF_ENDLESS if other.restart.policy is RestartPolicy.ALWAYS else CONDITIONS


@st.composite
def processes(draw: st.DrawFn) -> list[Process]:
    made: list[Process] = []
    for name in NAMES[: draw(NUMBER_OF_PROCESSES)]:
        needs = [
            Dependency(
                other.sandbox,
                other.name,
                draw(_conditions(other)),
                draw(COIN),
                draw(THREE_IN_FOUR),
            )
            for other in made
            if draw(ONE_IN_THREE)
        ]
        shape = draw(SHAPES)
        made.append(
            process(
                name,
                needs,
                sandbox=SANDBOXES[shape & 1],
                restart=(Restart(), NEVER, NEVER, ALWAYS)[shape >> 1 & 3],
                check=CHECK if shape >> 3 & 3 == 1 else None,
                ready_when=ReadyLine("up") if shape >> 3 & 3 == 2 else None,
                replicas=draw(REPLICAS),
                update="start-first" if shape >> 5 else "stop-first",
                autostart=draw(THREE_IN_FOUR),
            )
        )
    return draw(st.permutations(made))


@st.composite
def some_rows(draw: st.DrawFn, process: Process) -> list[ObservedRow]:
    made: list[ObservedRow] = []
    for replica in range(1, process.replicas + 2):
        for suffix in range(draw(ROWS)):
            phase = draw(PHASES)
            ended = draw(EXITS) if phase not in LIVE else None
            digest = draw(DIGESTS)
            one_shot = process.restart.policy is RestartPolicy.NEVER
            check = process.health_check is not None
            made.append(
                row(
                    process.name,
                    phase,
                    sandbox=process.sandbox,
                    replica=replica,
                    digest=digest,
                    suffix=suffix,
                    exit=ended,
                    one_shot=one_shot,
                    check=check,
                )
            )
    # A row that lives was started after those that have ended.
    return sorted(made, key=lambda item: item.live)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    every = draw(processes())
    inactive = [item for item in every if draw(ONE_IN_SIX)]
    if len(inactive) == len(every):
        inactive.pop()  # a command that names nothing is refused if nothing is selected
    made = project(
        *[item for item in every if item not in inactive],
        inactive=inactive,
        provider=draw(PROVIDERS),
    )
    rows = [item for process in every for item in draw(some_rows(process))]
    sandboxes = []
    for sandbox in made.sandboxes:
        orphan = [row("old", sandbox=sandbox.name)] if draw(COIN) else []
        sandboxes.append(
            seen(
                *orphan,
                *[one_row for one_row in rows if one_row.instance.sandbox == sandbox.name],
                name=sandbox.name,
                state=draw(STATES),
                foreign=[Foreign(sandbox.name, 7, None, ("sh",), True)],
                differences=draw(DIFFERENCES),
            )
        )
    return World(made, Observed(tuple(sandboxes)), draw(ORDERS))


@st.composite
def options(draw: st.DrawFn) -> PlanOptions:
    bits = draw(st.integers(0, 31))
    return PlanOptions(
        force_recreate=bits & 1 > 0,
        remove_orphans=bits & 2 > 0,
        recreate_sandboxes=bits & 4 > 0,
        terminate=bits & 8 > 0,
    )


def carry_out(made: World, intent: Intent, chosen: PlanOptions, *, waits: bool = True) -> tuple[Simulator, Plan]:
    """Carry out what `intent` plans, looking again where the plan asks for it."""
    simulator = Simulator(made.project, made.observed, hides=made.project.provider == "tensorlake")
    simulator.must_wait = waits
    found = plan(made.project, simulator.observed(), intent, chosen)
    while found.provisional:
        first = found.sandboxes_first()
        assert not first.empty
        simulator.carry_out(first)
        found = plan(made.project, simulator.observed(), intent, chosen)

    def choose(free: Sequence[Step]) -> Step:
        return free[made.order % len(free)]

    simulator.carry_out(found, choose)
    return simulator, found


def any_plan_can_be_carried_out_is_explained_and_points_backwards(
    made: World, chosen: PlanOptions, data: st.DataObject
) -> None:
    intent = data.draw(st.sampled_from(list(Intent)))
    # The simulator protests at a doubled start, a start before its needs, a stop of what does not run.
    _, found = carry_out(made, intent, chosen)
    assert forwards(found)
    assert all(step.reason and step.subject for step in found)
    assert found.to_json()["empty"] is found.empty


def no_start_precedes_the_readiness_of_anything_it_needs_near_or_far(
    made: World, chosen: PlanOptions, data: st.DataObject
) -> None:
    intent = data.draw(st.sampled_from((Intent.UP, Intent.START, Intent.RESTART)))
    # The simulator looks through everything that is needed at each start, also through what has completed or stays.
    every = [*made.project.processes(), *made.project.inactive]
    some = data.draw(st.lists(st.sampled_from(every), unique_by=lambda item: item.name))
    targets = frozenset(Target(item.sandbox, item.name) for item in some) or None
    simulator, found = carry_out(made, intent, replace(chosen, targets=targets))
    assert len(simulator.starts) >= sum(isinstance(step.action, Start) for step in found)


def a_second_plan_is_empty(made: World, chosen: PlanOptions, data: st.DataObject) -> None:
    intent = data.draw(st.sampled_from((Intent.UP, Intent.START, Intent.STOP, Intent.DOWN)))
    simulator, _ = carry_out(made, intent, chosen)
    again = replace(chosen, force_recreate=False)
    found = plan(made.project, simulator.observed(), intent, again)
    if intent is Intent.DOWN and made.project.provider == "tensorlake":
        # Nobody can see from outside that it was `down` that suspended a sandbox: it is resumed for another look.
        assert all(isinstance(step.action, ResumeSandbox | SuspendSandbox) for step in found)
    else:
        assert str(found) == ""


def up_leaves_one_live_row_of_the_wanted_digest_or_completed_work(
    made: World, chosen: PlanOptions, data: st.DataObject
) -> None:
    simulator, _ = carry_out(made, Intent.UP, chosen)
    rows = [one_row for sandbox in simulator.observed().sandboxes for one_row in sandbox.rows]
    for wanted in made.project.processes():
        for replica in range(1, wanted.replicas + 1):
            instance = Instance(wanted.sandbox, wanted.name, replica)
            mine = [one_row for one_row in rows if one_row.instance == instance]
            live = [item.digest for item in mine if item.live]
            finished = [item for item in mine if item.phase is Phase.EXITED and item.exit == GOOD]
            assert live == [V1] or (not live and V1 in {item.digest for item in finished})


def orphans_and_profiles_are_left_alone_unless_asked(made: World, chosen: PlanOptions, data: st.DataObject) -> None:
    intent = data.draw(st.sampled_from(list(Intent)))
    kept = replace(chosen, remove_orphans=False, recreate_sandboxes=False, terminate=False)
    simulator, _ = carry_out(made, intent, kept)
    assert not [stop for stop in simulator.stops if stop.instance.process == "old"]
    if intent is Intent.UP:
        # A process without autostart that runs is kept up to date, with what it needs.
        wanted = [*made.project.processes(), *[item for item in made.project.inactive if not item.autostart]]
        needed = {(need.sandbox, need.process) for item in wanted for need in item.depends_on}
        if not any((item.sandbox, item.name) in needed for item in made.project.inactive):
            touched = {stop.instance.process for stop in simulator.stops}
            assert not touched & {item.name for item in made.project.inactive if item.autostart}


def completed_one_shots_are_not_run_again(made: World, chosen: PlanOptions, data: st.DataObject) -> None:
    intent = data.draw(st.sampled_from((Intent.UP, Intent.START)))
    kept = replace(chosen, force_recreate=False, recreate_sandboxes=False)
    before = {
        one_row.instance: one_row
        for sandbox in made.observed.sandboxes
        if sandbox.state not in (SandboxState.MISSING, SandboxState.TERMINATED)
        for one_row in sandbox.rows
    }
    live = {one_row.instance for sandbox in made.observed.sandboxes for one_row in sandbox.rows if one_row.live}
    finished = {
        instance for instance, last in before.items() if last.completed and last.digest == V1 and instance not in live
    }
    simulator, _ = carry_out(made, intent, kept)
    assert not finished & set(simulator.starts)


def after_down_everything_starts_anew(made: World, chosen: PlanOptions, data: st.DataObject) -> None:
    simulator, _ = carry_out(made, Intent.DOWN, replace(chosen, remove_orphans=True))
    again = World(made.project, Observed(tuple(simulator.sandboxes.values())), made.order)
    after, found = carry_out(again, Intent.UP, PlanOptions())
    # A sandbox that is just being made cannot be looked into.
    left = {sandbox.name for sandbox in made.observed.sandboxes if sandbox.state is SandboxState.PENDING}
    for wanted in made.project.processes():
        if wanted.sandbox not in left:
            replicas = range(1, wanted.replicas + 1)
            assert {Instance(wanted.sandbox, wanted.name, replica) for replica in replicas} <= set(after.starts)
    if not left:
        assert (found.running, found.completed) == (0, ())


def what_depends_on_a_process_stops_before_it(made: World, chosen: PlanOptions, data: st.DataObject) -> None:
    intent = data.draw(st.sampled_from((Intent.STOP, Intent.DOWN)))
    simulator, found = carry_out(made, intent, chosen)
    assert not any(isinstance(step.action, Start) for step in found)
    last: dict[tuple[str, str], int] = {}
    first: dict[tuple[str, str], int] = {}
    for moment, stop in enumerate(simulator.stops):
        key = (stop.instance.sandbox, stop.instance.process)
        first.setdefault(key, moment)
        last[key] = moment
    every = {
        (one_process.sandbox, one_process.name): one_process
        for one_process in [*made.project.processes(), *made.project.inactive]
    }
    for key, wanted in every.items():
        for other in _all_needs(every, wanted):
            if key in last and other in first:
                assert last[key] < first[other], f"{other} stops before {key}"


def _all_needs(every: dict[tuple[str, str], Process], process: Process) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    waiting = [process]
    while waiting:
        for edge in waiting.pop().depends_on:
            if (edge.sandbox, edge.process) not in found:
                found.add((edge.sandbox, edge.process))
                waiting.append(every[edge.sandbox, edge.process])
    return found


def targets_alone_are_touched_without_their_needs(made: World, chosen: PlanOptions, data: st.DataObject) -> None:
    intent = data.draw(st.sampled_from((Intent.UP, Intent.START, Intent.RESTART, Intent.STOP)))
    every = [*made.project.processes(), *made.project.inactive]
    some = data.draw(st.lists(st.sampled_from(every), min_size=1, unique_by=lambda item: item.name))
    targets = frozenset(Target(item.sandbox, item.name) for item in some)
    alone = replace(
        chosen, targets=targets, no_deps=True, remove_orphans=False, recreate_sandboxes=False, terminate=False
    )
    _, found = carry_out(made, intent, alone, waits=False)
    touched = {(instance.sandbox, instance.process) for step in found for instance in _instances(step)}
    assert touched <= {(target.sandbox, target.process) for target in targets}


def targets_bring_what_they_need(made: World, chosen: PlanOptions, data: st.DataObject) -> None:
    intent = data.draw(st.sampled_from((Intent.UP, Intent.START, Intent.RESTART)))
    target = data.draw(st.sampled_from([*made.project.processes(), *made.project.inactive]))
    alone = PlanOptions(targets=frozenset({Target(target.sandbox, target.name)}))
    simulator, _ = carry_out(made, intent, alone)
    rows = [one_row for sandbox in simulator.observed().sandboxes for one_row in sandbox.rows]
    mine = [
        one_row
        for one_row in rows
        if (one_row.instance.sandbox, one_row.instance.process) == (target.sandbox, target.name)
    ]
    assert any(item.live or item.exit == GOOD for item in mine)


def _instances(step: Step) -> list[Instance]:
    match step.action:
        case Start(instance=instance):
            return [instance]
        case Stop(row=found):
            return [found.instance]
        case _:
            return []


LAWS = (
    any_plan_can_be_carried_out_is_explained_and_points_backwards,
    no_start_precedes_the_readiness_of_anything_it_needs_near_or_far,
    a_second_plan_is_empty,
    up_leaves_one_live_row_of_the_wanted_digest_or_completed_work,
    orphans_and_profiles_are_left_alone_unless_asked,
    completed_one_shots_are_not_run_again,
    after_down_everything_starts_anew,
    what_depends_on_a_process_stops_before_it,
    targets_alone_are_touched_without_their_needs,
    targets_bring_what_they_need,
)


@examples(2)
@given(worlds(), options(), st.data())
def test_every_law_holds_in_every_world(made: World, chosen: PlanOptions, data: st.DataObject) -> None:
    """In one test, since to make up a world takes longer than to try a law in it."""
    for law in LAWS:
        law(made, chosen, data)
