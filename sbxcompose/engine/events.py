"""What the engine tells whoever watches it: the command line, a record, a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from sbxcompose.engine.result import Result
from sbxcompose.errors import SbxError
from sbxcompose.plan.observed import Exit, Instance, ObservedRow
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.steps import Plan, Step
from sbxcompose.spec.project import Condition, Process, Project

if TYPE_CHECKING:
    from sbxcompose.files.transfer import Copied, TransferProgress
    from sbxcompose.plan.judge import Success


class PlanBegun(Struct, frozen=True):
    """The steps of a plan are about to be carried out; until the next plan, all steps are of this one."""

    plan: Plan


class StepBegun(Struct, frozen=True):
    """A step's needs have succeeded and it is being carried out."""

    step: Step


class StepDone(Struct, frozen=True):
    """A step has succeeded."""

    step: Step


class StepFailed(Struct, frozen=True):
    """A step has failed; what comes after it will not be done."""

    step: Step
    error: SbxError


class StepCancelled(Struct, frozen=True):
    """A step that had begun is not waited for any longer; what it has asked for may still happen."""

    step: Step


class StepHeldUp(Struct, frozen=True):
    """A step was not begun because `by`, which had to come first, failed or was itself held up."""

    step: Step
    by: Step


class RowChanged(Struct, frozen=True):
    """A row is not what it was; `before` is None for one that is new.

    `known`: it was there already when we began to watch.
    """

    row: ObservedRow
    before: ObservedRow | None
    known: bool = False

    @property
    def started(self) -> bool:
        """Whether it has been started while we watched, by us or by another command."""
        return self.row.live and not self.known and (self.before is None or not self.before.live)


class BecameReady(Struct, frozen=True):
    """The current run of an instance that has a check has become ready."""

    instance: Instance
    run: int | None = None


class WaitBegun(Struct, frozen=True):
    """Beside any plan, a condition of an instance is waited for; None stands for its end."""

    instance: Instance
    process: Process
    condition: Condition | None


class WaitEnded(Struct, frozen=True):
    """It is not any longer."""

    instance: Instance


class RunBegan(Struct, frozen=True):
    """A run of an instance has begun writing to its log. `at` is seconds since 1970."""

    instance: Instance
    run: int
    at: float


class RunEnded(Struct, frozen=True):
    """A run has ended and all its output has been shown."""

    instance: Instance
    run: int
    exit: Exit


class OutputLost(Struct, frozen=True):
    """`size` bytes of an instance's output were removed by retention before they could be read."""

    instance: Instance
    size: int


class Reconnecting(Struct, frozen=True):
    """The connection to a sandbox broke and is being made again."""

    sandbox: str
    reason: str


class SandboxNote(Struct, frozen=True):
    """How a sandbox stands that is being created or kept; `text` completes "sandbox app …".

    `pending`: the reason for which it is pending, as far as that is known; None if it is not.
    """

    sandbox: str
    text: str
    pending: str | None = None


class StreamsShared(Struct, frozen=True):
    """There are more processes to follow than streams: a line may come `late` seconds after it was written."""

    processes: int
    streams: int
    late: float


class AnswerAwaited(Struct, frozen=True):
    """A site has not answered anything for some seconds."""

    site: str


class ConnectionLost(Struct, frozen=True):
    """The provider, or a sandbox, has not answered for a moment; what may be asked for again is."""

    reason: str


class ConnectionRestored(Struct, frozen=True):
    """Everything that `ConnectionLost` meant has been answered after `seconds`."""

    seconds: float


class ConnectionGivenUp(Struct, frozen=True):
    """Retries of a lost connection have ended: an error is reported for it, or the command ends."""


class CopyProgress(Struct, frozen=True):
    """Files are being copied into a sandbox."""

    sandbox: str
    progress: TransferProgress


class CopyDone(Struct, frozen=True):
    """Files have been copied into a sandbox in `seconds`; there may have been none to copy."""

    sandbox: str
    copied: Copied
    seconds: float


class WatchMessage(Struct, frozen=True):
    """What watching has to say: what it does and why, of one instance or of all; `bad`: the user has to act."""

    instance: Instance | None
    text: str
    bad: bool = False


class PlanMade(Struct, frozen=True):
    """An attached command is about to carry out a plan."""

    plan: Plan


class PlanApplied(Struct, frozen=True):
    """A plan was carried out to its end, and not interrupted."""

    result: Result


class ApplyFailed(Struct, frozen=True):
    """Nothing could be planned, or what was under way could not be finished; the command stays."""

    error: SbxError


class ProjectReloaded(Struct, frozen=True):
    """The project's file has changed, and `project` is what is wanted from now on."""

    project: Project
    options: PlanOptions


class ReloadFailed(Struct, frozen=True):
    """The project's file has changed and cannot be used; what was wanted before still is."""

    error: SbxError


class EverythingReady(Struct, frozen=True):
    """All processes of an attached `up` are ready for the first time, `seconds` after its start."""

    verdict: Success
    seconds: float


EngineEvent = (
    PlanBegun
    | StepBegun
    | StepDone
    | StepFailed
    | StepCancelled
    | StepHeldUp
    | RowChanged
    | BecameReady
    | WaitBegun
    | WaitEnded
    | RunBegan
    | RunEnded
    | OutputLost
    | Reconnecting
    | SandboxNote
    | StreamsShared
    | AnswerAwaited
    | ConnectionLost
    | ConnectionRestored
    | ConnectionGivenUp
    | CopyProgress
    | CopyDone
    | WatchMessage
    | PlanMade
    | PlanApplied
    | ApplyFailed
    | ProjectReloaded
    | ReloadFailed
    | EverythingReady
)
EventHandler = Callable[[EngineEvent], None]


def ignore_event(event: EngineEvent) -> None:
    """For callers that do not want to be told."""
