"""Made-up projects and worlds, short to write, and a world that a plan can be carried out in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec.structs import replace

from sbxcompose.plan.graph import Graph
from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import (
    Exit,
    Foreign,
    Instance,
    Observed,
    ObservedRow,
    ObservedSandbox,
    Phase,
    SandboxState,
    managed_name,
)
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.steps import (
    Await,
    CreateSandbox,
    MarkDown,
    Plan,
    ResumeSandbox,
    Start,
    Step,
    Stop,
    SuspendSandbox,
    TerminateSandbox,
)
from sbxcompose.spec.project import (
    Condition,
    Dependency,
    HealthCheck,
    Process,
    Project,
    ReadyCommand,
    ReadyLine,
    Restart,
    RestartPolicy,
    Sandbox,
)
from sbxcompose.spec.project import StopPolicy as StopRule

V1, V2 = "11111111", "22222222"
NEVER = Restart(RestartPolicy.NEVER)
ALWAYS = Restart(RestartPolicy.ALWAYS)
CHECK = HealthCheck("tcp", 80)
COMPLETED, READY, STARTED = Condition.COMPLETED, Condition.READY, Condition.STARTED
ENDED = Condition.ENDED
FAILED = Exit(code=1)
GOOD = Exit(code=0)


def process(
    name: str,
    needs: Iterable[str | Dependency] = (),
    *,
    sandbox: str = "main",
    digest: str = V1,
    restart: Restart = Restart(),  # noqa: B008 (frozen)
    check: HealthCheck | None = None,
    ready_when: ReadyLine | ReadyCommand | None = None,
    replicas: int = 1,
    update: Literal["stop-first", "start-first"] = "stop-first",
    stop: StopRule = StopRule(),  # noqa: B008 (frozen)
    profiles: tuple[str, ...] = (),
    autostart: bool = True,
    stop_all_on: Literal["exit", "failure"] | None = None,
    port: int | None = None,
    description: str | None = None,
) -> Process:
    depends_on = tuple(Dependency(sandbox, need) if isinstance(need, str) else need for need in needs)
    return Process(
        sandbox,
        name,
        (name,),
        digest,
        restart=restart,
        health_check=check,
        ready_when=ready_when,
        depends_on=depends_on,
        stop=stop,
        replicas=replicas,
        update=update,
        profiles=profiles,
        autostart=autostart,
        stop_all_on=stop_all_on,
        port=port,
        description=description,
    )


def need(
    name: str,
    condition: Condition = READY,
    *,
    restart: bool = False,
    required: bool = True,
    sandbox: str = "main",
) -> Dependency:
    return Dependency(sandbox, name, condition, restart, required)


def project(
    *processes: Process,
    provider: Literal["local", "tensorlake"] = "local",
    inactive: Sequence[Process] = (),
    sandboxes: Sequence[Sandbox] = (),
) -> Project:
    holding: dict[str, list[Process]] = {sandbox.name: [] for sandbox in sandboxes}
    for one_process in processes:
        holding.setdefault(one_process.sandbox, []).append(one_process)
    for item in inactive:
        holding.setdefault(item.sandbox, [])
    templates = {sandbox.name: sandbox for sandbox in sandboxes}
    return Project(
        "shop",
        "/shop",
        provider,
        tuple(
            replace(templates.get(name, Sandbox(name, f"shop-{name}", ())), processes=tuple(mine))
            for name, mine in holding.items()
        ),
        files=("/shop/sbxcompose.yaml",),
        disabled=tuple(entry.address for entry in inactive),
        inactive=tuple(inactive),
    )


def row(
    name: str,
    phase: Phase = Phase.RUNNING,
    *,
    sandbox: str = "main",
    replica: int = 1,
    digest: str = V1,
    suffix: int = 0,
    exit: Exit | None = None,
    one_shot: bool = False,
    check: bool = False,
) -> ObservedRow:
    instance = Instance(sandbox, name, replica)
    return ObservedRow(
        instance,
        digest,
        managed_name(instance, digest, suffix),
        phase,
        exit=exit,
        one_shot=one_shot,
        has_health_check=check,
    )


def done(name: str, *, digest: str = V1) -> ObservedRow:
    """A one-shot that has completed."""
    return row(name, Phase.EXITED, digest=digest, exit=GOOD, one_shot=True)


def seen(
    *rows: ObservedRow,
    state: SandboxState = SandboxState.RUNNING,
    name: str = "main",
    foreign: Sequence[Foreign] = (),
    differences: Sequence[str] = (),
) -> ObservedSandbox:
    return ObservedSandbox(name, state, rows, tuple(foreign), differences=tuple(differences))


def world(*rows: ObservedRow) -> Observed:
    """The running sandbox `main` with these rows."""
    return Observed((seen(*rows),))


MISSING = Observed()


class Simulator:
    """A world in which a plan is carried out, a step at a time, and which protests when a step should not be.

    `hides`: what runs in a sandbox that does not run cannot be seen, as in the cloud.
    """

    def __init__(self, project: Project, observed: Observed, *, hides: bool = False) -> None:
        self.graph = Graph(project)
        self.sandboxes = {sandbox.name: sandbox for sandbox in observed.sandboxes}
        self.hides = hides
        self.ready: set[str] = set()
        """Names of rows whose readiness, which no row shows, somebody has waited for."""
        self.must_wait = True
        """Whether a start before its needs is an error."""
        self.starts: list[Instance] = []
        self.stops: list[ObservedRow] = []

    def observed(self) -> Observed:
        return Observed(tuple(self._shown(sandbox) for sandbox in self.sandboxes.values()))

    def _shown(self, sandbox: ObservedSandbox) -> ObservedSandbox:
        if sandbox.state is SandboxState.PENDING or (self.hides and sandbox.state is not SandboxState.RUNNING):
            return replace(sandbox, rows=())
        return sandbox

    def carry_out(self, steps: Iterable[Step], choose: Callable[[Sequence[Step]], Step] | None = None) -> None:
        """Do all steps, in an order that the arrows allow; `choose` picks among those that may begin."""
        left = {step.number: step for step in steps}
        while left:
            free = [step for step in left.values() if not any(number in left for number in step.after)]
            assert free, "arrows in a circle"
            step = choose(free) if choose else free[0]
            del left[step.number]
            self._do(step)

    def _do(self, step: Step) -> None:
        match step.action:
            case CreateSandbox(sandbox):
                mine = self._sandbox(sandbox.name)
                assert mine.state is not SandboxState.RUNNING
                rows = mine.rows if mine.state is SandboxState.PENDING else ()
                self._put(replace(mine, state=SandboxState.RUNNING, rows=rows, differences=()))
            case ResumeSandbox(sandbox):
                mine = self._sandbox(sandbox.name)
                assert mine.state is SandboxState.SUSPENDED
                self._put(replace(mine, state=SandboxState.RUNNING))
            case SuspendSandbox(sandbox):
                self._put(replace(self._sandbox(sandbox.name), state=SandboxState.SUSPENDED))
            case TerminateSandbox(sandbox):
                mine = self._sandbox(sandbox.name)
                if mine.state is SandboxState.RUNNING:
                    assert not any(one_row.live for one_row in mine.rows), "processes were not stopped first"
                self._put(replace(mine, state=SandboxState.TERMINATED, rows=(), foreign=()))
            case MarkDown(sandbox):
                self._forget(sandbox.name)
            case Start():
                self._start(step.action)
            case Stop(row):
                self._stop(row)
            case Await():
                self._await(step.action)

    def _sandbox(self, name: str) -> ObservedSandbox:
        return self.sandboxes.get(name) or ObservedSandbox(name, SandboxState.MISSING)

    def _put(self, sandbox: ObservedSandbox) -> None:
        self.sandboxes[sandbox.name] = sandbox

    def _awake(self, name: str) -> ObservedSandbox:
        found = self._sandbox(name)
        assert found.state is SandboxState.RUNNING, f"sandbox {name} is {found.state}"
        return found

    def _start(self, action: Start) -> None:
        process, instance = action.process, action.instance
        sandbox = self._awake(instance.sandbox)
        mine = [one_row for one_row in sandbox.rows if one_row.instance == instance and one_row.live]
        assert instance not in self.starts, f"{instance} is started twice"
        assert action.name not in {item.name for item in mine}, f"{action.name} is held by a live row"
        assert not mine or process.update == "start-first", f"{instance} runs already"
        if self.must_wait:
            self._check_needs(process)
        self.starts.append(instance)
        self.ready.discard(action.name)
        phase = Phase.STARTING if process.health_check else Phase.RUNNING
        new = ObservedRow(
            instance,
            process.digest,
            action.name,
            phase,
            has_health_check=process.health_check is not None,
            one_shot=process.restart.policy is RestartPolicy.NEVER,
        )
        kept = tuple(one_row for one_row in sandbox.rows if one_row.name != action.name)
        self._put(replace(sandbox, rows=(*kept, new)))

    def _check_needs(self, process: Process) -> None:
        """Nothing starts before what it needs is satisfied, nor before what that needs, however far."""
        for node in self.graph.closure([self.graph.index[process.sandbox, process.name]]):
            for edge in filter(self.graph.wants, self.graph.needs[node]):
                wanted = self.graph.processes[edge.node]
                condition = self.graph.condition(edge.node, edge.condition)
                for replica in range(1, wanted.replicas + 1):
                    instance = Instance(wanted.sandbox, wanted.name, replica)
                    assert self._satisfied(instance, condition), f"{process.name} before {instance} is {condition}"

    def _satisfied(self, instance: Instance, condition: Condition) -> bool:
        node = self.graph.index[instance.sandbox, instance.process]
        wanted = self.graph.processes[node]
        for one_row in self._sandbox(instance.sandbox).rows:
            if one_row.instance != instance:
                continue
            if condition is Condition.ENDED:
                if one_row.phase is Phase.EXITED and not one_row.past and one_row.digest == wanted.digest:
                    return True
                continue
            good = (
                one_row.phase is Phase.EXITED
                and one_row.exit == GOOD
                and not one_row.past
                and one_row.digest == wanted.digest
            )
            finished = good and (one_row.one_shot or self.graph.job[node])
            if condition is Condition.COMPLETED or finished:
                if finished:
                    return True
            elif condition is Condition.STARTED or (one_row.live and one_row.digest != wanted.digest):
                if one_row.live:
                    return True
            elif (
                one_row.live
                and (one_row.name in self.ready or not wanted.ready_when)
                and one_row.phase is Phase.RUNNING
            ):
                return True
        return False

    def _stop(self, row: ObservedRow) -> None:
        sandbox = self._awake(row.instance.sandbox)
        assert row in sandbox.rows
        assert row.live
        self.stops.append(row)
        stopped = replace(row, phase=Phase.STOPPED)
        self._put(replace(sandbox, rows=tuple(stopped if one_row is row else one_row for one_row in sandbox.rows)))

    def _forget(self, name: str) -> None:
        sandbox = self._awake(name)
        rows = [one_row if one_row.live else replace(one_row, past=True) for one_row in sandbox.rows]
        self._put(replace(sandbox, rows=tuple(rows)))

    def _await(self, action: Await) -> None:
        sandbox = self._awake(action.instance.sandbox)
        [mine] = [
            one_row for one_row in sandbox.rows if one_row.name == action.name and one_row.instance == action.instance
        ]
        if self._satisfied(action.instance, COMPLETED):
            return
        assert mine.live, "waits for what does not run"
        if action.condition in (Condition.COMPLETED, Condition.ENDED):
            changed = replace(mine, phase=Phase.EXITED, exit=GOOD)
        else:
            changed = replace(mine, phase=Phase.RUNNING)
            self.ready.add(mine.name)
        self._put(replace(sandbox, rows=tuple(changed if one_row is mine else one_row for one_row in sandbox.rows)))


def forwards(plan: Plan) -> bool:
    """Whether the numbers count from 1 and every arrow points to a smaller one."""
    numbers = [step.number for step in plan.steps]
    arrows = all(number < step.number for step in plan.steps for number in step.after)
    return numbers == list(range(1, len(numbers) + 1)) and arrows


def lines(*expected: str) -> str:
    """The text of these lines."""
    return "\n".join(expected)


def notes(plan: Plan) -> list[str]:
    """What a plan remarks."""
    return [str(note) for note in plan.notes]


def targets(*names: str) -> PlanOptions:
    """The processes of these names, in the only sandbox."""
    return PlanOptions(targets=frozenset(Target("main", name) for name in names))
