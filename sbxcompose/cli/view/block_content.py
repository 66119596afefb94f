"""What a status block shows while a command works: how far it is, and what each process waits for."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from sbxcompose.cli.view.live import Live
from sbxcompose.cli.view.reached import Reached
from sbxcompose.engine.events import (
    EngineEvent,
    PlanBegun,
    RowChanged,
    RunBegan,
    StepBegun,
    StepCancelled,
    StepDone,
    StepFailed,
    StepHeldUp,
)
from sbxcompose.engine.ready import label
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance, Phase
from sbxcompose.plan.remaining import RemainingSteps
from sbxcompose.plan.steps import Plan
from sbxcompose.plan.waits import HeldUpInstance, Wait, held_up
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.cli.view.live import LiveBlock
    from sbxcompose.files.transfer import TransferProgress
    from sbxcompose.plan.judge import Pending


class BlockContent:
    """Draws a `block`. `pending` and `wanted` are as `WaitReport` has them."""

    def __init__(self, block: LiveBlock, pending: Callable[[], Pending | None], wanted: Callable[[], int]) -> None:
        self._block = block
        self._pending = pending
        self._wanted = wanted
        self._remaining = RemainingSteps(Plan())
        self._reached = Reached()
        self._names: tuple[Project, ProcessNames] | None = None
        self.shown = Live()
        """What the block shows."""

    @property
    def reached(self) -> set[Instance]:
        """What has become ready, or completed: nothing of it is waited for any longer."""
        return self._reached.good

    def on_event(self, event: EngineEvent, project: Project) -> None:
        """Take out of the block what an event has made out of date; the rest of it is drawn anew a moment later."""
        match event:
            case PlanBegun(plan):
                self._remaining = RemainingSteps(plan)
            case StepBegun(step):
                self._remaining.begin(step)
            case StepDone(step):
                self._remaining.finish(step)
            case StepFailed(step) | StepCancelled(step) | StepHeldUp(step):
                self._remaining.give_up(step)
            case RowChanged(row):
                self._remaining.see(row.instance, stopped=row.phase is Phase.STOPPED)
            case RunBegan(instance):
                self._remaining.see(instance, stopped=False)
        about = self._reached.on_event(event, self._pending())
        if about is None or not self.shown:
            return
        names = {self._names_of(project).instance(about), label(about)}
        rows = tuple((wait, since) for wait, since in self.shown.rows if not names & (wait.about | {wait.name}))
        live = replace(self.shown, header=self.header(), rows=rows)
        if live != self.shown:
            self.draw(live)

    def draw(self, live: Live) -> None:
        """Show this from now on."""
        self.shown = live
        self._block.draw(live)

    def header(self) -> str | None:
        """Say how far it all is, where several processes are brought up or stopped."""
        pending, wanted = self._pending(), self._wanted()
        if pending is None:
            return self._remaining.header()
        return f"{max(wanted - self._reached.missing(pending), 0)} of {wanted} processes ready" if wanted > 1 else None

    def waiting(self, project: Project) -> Mapping[Hashable, Wait]:
        """Return the waits of those for which nothing is done yet."""
        pending = self._pending()
        return self._remaining.waiting() if pending is None else held_up(self._held_up(pending, project))

    def show(self, rows: tuple[tuple[Wait, float], ...], copies: Mapping[str, TransferProgress]) -> None:
        """Show these rows and copies."""
        self.draw(Live(self.header(), rows, tuple(copies.items())))

    def _held_up(self, pending: Pending, project: Project) -> Iterator[HeldUpInstance]:
        """Return what is not started yet; what has become ready since that was looked for holds nothing up."""
        reached = set(map(self._names_of(project).instance, self.reached))
        for report in self._reached.held_up(pending):
            if needs := tuple(need for need in report.waits_for if need not in reached):
                yield HeldUpInstance(report.instance, report.label, needs)

    def _names_of(self, project: Project) -> ProcessNames:
        if self._names is None or self._names[0] is not project:
            self._names = (project, ProcessNames(project))
        return self._names[1]
