"""What can happen to a supervised process, and what `lifecycle.transition` wants done about it."""

from __future__ import annotations

from msgspec import Struct, field

from sbxcompose.api.models import LastExit
from sbxcompose.host.supervise.health import Health


class ProcessContext(Struct, frozen=True):
    """What a decision may depend on besides the record.

    `ms` is milliseconds since 1970, `paused` whether the sandbox is suspended or being copied, `next_handle` the handle
    of the next run, `log_end` where the log ends, `keeper` the identity of the keeper. `late_ms` milliseconds have
    passed since the end that is being reported. `boot_ms` is milliseconds since the machine was started.
    """

    ms: int
    paused: bool = False
    next_handle: int = 0
    log_end: int = 0
    keeper: str | None = None
    late_ms: int = 0
    boot_ms: int = 0


# -- events ------------------------------------------------------------------------------------------------


class RunStarted(Struct, frozen=True):
    """The keeper has started the run of that handle; `number` is its number in the log."""

    handle: int
    pid: int
    number: int
    started_at: int
    stdin_open: bool = False
    ticks: int = 0


class RunAdopted(Struct, frozen=True):
    """The server has restarted, and the keeper holds the run of that handle."""

    run: RunStarted


class StartFailed(Struct, frozen=True):
    """The run that was asked for could not be started."""

    message: str


class StartLost(Struct, frozen=True):
    """The run of that handle may have begun, and has ended unobserved; `number` and `started_at` as in `RunStarted`.

    `for_good` as in `RunLost`.
    """

    handle: int
    number: int
    started_at: int
    exit: LastExit
    error: str
    for_good: bool = False


class RunExited(Struct, frozen=True):
    """The run is over, with everything it had started; `error` is what was lost of its output or log.

    `left_behind` is what still ran when the process itself had exited, each as "pid command", and was killed.
    """

    handle: int
    exit: LastExit
    error: str | None = None
    left_behind: list[str] = field(default_factory=list)


class RunLost(Struct, frozen=True):
    """The run has ended unobserved: keeper and server had died.

    `for_good`: the machine was down, or the record is a copy of another host's; nothing is started again.
    """

    exit: LastExit
    error: str | None = None
    for_good: bool = False


class HostRestarted(Struct, frozen=True):
    """The server has restarted, and the keeper holds no run of this process; `for_good` as in `RunLost`."""

    for_good: bool = False


class StopRequested(Struct, frozen=True):
    """Stop it; a signal and grace of None are those of its request, and without a signal so is the command.

    The command is run instead of the signal.
    """

    signal: int | None = None
    grace_ms: int | None = None
    command: list[str] | None = None
    reason: str | None = None
    """Why, in the words of the client that asks, for whoever waits for the end."""
    replaced: bool = False
    """The client begins a new run once this one has ended."""


class StopCommandEnded(Struct, frozen=True):
    """The command that was to end the run of that handle has ended, or could not be started; `failure` says why.

    `output` is the end of what it has printed.
    """

    handle: int
    failure: str | None = None
    output: str | None = None


class KillRequested(Struct, frozen=True):
    """Kill it and everything it started."""


class RestartRequested(Struct, frozen=True):
    """Give it a new run, without backoff."""


class BackoffOver(Struct, frozen=True):
    """The pause before the next run is over."""


class HealthChecked(Struct, frozen=True):
    """A health check has changed how the run stands."""

    health: Health


class SandboxPaused(Struct, frozen=True):
    """The sandbox is being suspended or copied: no time passes."""


class SandboxResumed(Struct, frozen=True):
    """The sandbox runs again."""


class InputClosed(Struct, frozen=True):
    """Its standard input was closed on request."""


LifecycleEvent = (
    RunStarted
    | RunAdopted
    | StartFailed
    | StartLost
    | RunExited
    | RunLost
    | HostRestarted
    | StopRequested
    | StopCommandEnded
    | KillRequested
    | RestartRequested
    | BackoffOver
    | HealthChecked
    | SandboxPaused
    | SandboxResumed
    | InputClosed
)


# -- effects -----------------------------------------------------------------------------------------------


class SpawnRun(Struct, frozen=True):
    """Ask the keeper to start the run of that handle, once the record is on disk."""

    handle: int


class AttachOutput(Struct, frozen=True):
    """Take the run's output from its pipes to the log."""

    number: int


class StopRun(Struct, frozen=True):
    """Send the signal; the keeper kills what is left after the grace."""

    handle: int
    signal: int
    grace_ms: int


class RunStopCommand(Struct, frozen=True):
    """Run the command beside the run; the keeper kills what is left after the grace."""

    handle: int
    command: list[str]
    grace_ms: int


class KillRun(Struct, frozen=True):
    """Kill everything the run has started."""

    handle: int

    @property
    def grace_ms(self) -> int:
        """What the run has left."""
        return 0


class ReleaseRun(Struct, frozen=True):
    """Let the keeper forget the run."""

    handle: int


class CloseInput(Struct, frozen=True):
    """Let the keeper close its end of the run's standard input."""

    handle: int


class SetTimer(Struct, frozen=True):
    """Report `BackoffOver` after that time."""

    delay_ms: int


class CancelTimer(Struct, frozen=True):
    """Don't report `BackoffOver`."""


class BeginChecks(Struct, frozen=True):
    """Check the run's health; its age counts from `since_ms`."""

    since_ms: int


class EndChecks(Struct, frozen=True):
    """Stop checking its health."""


class ForgetRow(Struct, frozen=True):
    """Remove the row: its first run could not be started."""


Effect = (
    SpawnRun
    | AttachOutput
    | StopRun
    | RunStopCommand
    | KillRun
    | ReleaseRun
    | CloseInput
    | SetTimer
    | CancelTimer
    | BeginChecks
    | EndChecks
    | ForgetRow
)
