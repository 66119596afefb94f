"""Plans on a terminal: a tree of sandboxes, and a row for each process that starts, is replaced, or stops."""

from __future__ import annotations

from collections.abc import Iterator

from sbxcompose.cli.style import Colored, Style
from sbxcompose.cli.view.tree_row import TreeRow
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import (
    Action,
    Await,
    CreateSandbox,
    Plan,
    SandboxAction,
    Start,
    Step,
    Stop,
    StopOneOff,
    TerminateSandbox,
)

ADDED, CHANGED, REMOVED = Colored("+", "green"), Colored("~", "yellow"), Colored("-", "red")


def plan_lines(plan: Plan, style: Style, width: int, *, ascii_only: bool = False) -> list[str]:
    """Return the plan for a terminal of that width."""
    from sbxcompose.cli.view.drawn import HANG, tree_lines

    return tree_lines(plan_tree(plan), width, colors=style.enabled, ascii_only=ascii_only, hang=HANG)


def plan_tree(plan: Plan) -> list[TreeRow]:
    """Return a row for each sandbox, and below it what is done in it, in the order of the steps."""
    return _Rows(plan).tree()


class _Rows:
    """The steps of a plan by what they are done to: a process that is replaced has two, and one row."""

    def __init__(self, plan: Plan) -> None:
        self._steps = {step.number: step for step in plan}
        self._stopped = {step.action.row.instance: step for step in plan if isinstance(step.action, Stop)}
        self._started = {step.action.instance: step for step in plan if isinstance(step.action, Start)}
        self._named: set[int] = set()
        """The steps that a row names as what it comes after."""

    def tree(self) -> list[TreeRow]:
        """Return the rows."""
        steps, waits = list(self._steps.values()), list[Step]()
        sandboxes: dict[str, TreeRow] = {}
        for step in steps:
            sandbox = _sandbox_of(step.action)
            if sandbox not in sandboxes:
                sandboxes[sandbox] = TreeRow([Colored(sandbox, "bold")])
            row = sandboxes[sandbox]
            if isinstance(step.action, Await):
                waits.append(step)
            elif isinstance(step.action, SandboxAction) and len(row.label) == 1 and not row.below:
                row.label = [*self._label(step, Colored(sandbox, "bold"), step.action.kind)]
            elif not (isinstance(step.action, Stop) and step.action.row.instance in self._started):
                row.below.append(TreeRow([*self._row(step)]))
        for step in waits:
            if step.number not in self._named:
                sandboxes[_sandbox_of(step.action)].below.append(TreeRow([f"  {step.title}", *self._reason(step)]))
        return list(sandboxes.values())

    def _row(self, step: Step) -> Iterator[str | Colored]:
        if isinstance(step.action, Start | Stop):
            return self._label(step, Colored(step.subject, "cyan"), "")
        return self._label(step, step.title, "")

    def _label(self, step: Step, name: str | Colored, verb: str) -> Iterator[str | Colored]:
        yield self._mark(step.action)
        yield " "
        yield name
        if verb:
            yield f" ({verb})"
        yield from self._reason(step)

    def _reason(self, step: Step) -> Iterator[str | Colored]:
        yield f": {step.reason}"
        if after := [*self._after(step)]:
            yield Colored(f"; after {', '.join(after)}", "dim")

    def _after(self, step: Step) -> Iterator[str]:
        """Yield what the step comes after, but for the sandbox that it is in, and its own older run."""
        own = _instance(step.action)
        for number in step.after:
            before = self._steps[number]
            self._named.add(number)
            if isinstance(before.action, SandboxAction) and _sandbox_of(before.action) == _sandbox_of(step.action):
                continue
            if own is None or _instance(before.action) != own:
                yield _done(before)

    def _mark(self, action: Action) -> Colored:
        match action:
            case Start(instance=instance) if instance in self._stopped:
                return CHANGED
            case Start() | CreateSandbox():
                return ADDED
            case Stop() | StopOneOff() | TerminateSandbox():
                return REMOVED
            case _:
                return CHANGED


def _instance(action: Action) -> Instance | None:
    match action:
        case Start(instance=instance) | Await(instance=instance):
            return instance
        case Stop(row):
            return row.instance
        case _:
            return None


def _sandbox_of(action: Action) -> str:
    match action:
        case Start(instance=instance) | Await(instance=instance):
            return instance.sandbox
        case Stop(row):
            return row.instance.sandbox
        case StopOneOff(command):
            return command.sandbox
        case _:
            return action.sandbox.name


def _done(step: Step) -> str:
    """Return the step once it is done: `db is ready`, `web is started`."""
    match step.action:
        case Await(condition=condition):
            return f"{step.subject} is {condition}"
        case Start():
            return f"{step.subject} is started"
        case Stop():
            return f"{step.subject} is stopped"
        case _:
            return step.title
