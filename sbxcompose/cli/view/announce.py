"""What the engine tells, in words: one short line an event, the name left to whoever prints it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from msgspec import Struct

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.connection import connection_words
from sbxcompose.cli.view.copying import copied_words
from sbxcompose.engine import events
from sbxcompose.engine.ready import message_without_name, row_end
from sbxcompose.plan.background import background, foreground_hint
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.steps import (
    Await,
    ResumeSandbox,
    Start,
    Step,
    Stop,
    StopOneOff,
    SuspendSandbox,
    Sync,
    TerminateSandbox,
    UpdateSandbox,
)


class Severity(StrEnum):
    """How a line is meant."""

    GOOD = "good"
    BAD = "bad"
    PLAIN = "plain"


class Announcement(Struct, frozen=True):
    """A line about one instance, or about the whole (`instance` None)."""

    instance: Instance | None
    text: str
    tone: Severity = Severity.PLAIN


def announced(said: Announcement, label: Callable[[Instance], str], style: Style) -> str:
    """Return the announcement as a line, with its name and colour."""
    paint = {Severity.GOOD: style.green, Severity.BAD: style.red, Severity.PLAIN: style.plain}[said.tone]
    if said.instance is None:
        return paint(said.text)
    name = label(said.instance)
    return f"{style.cyan(name)} {paint(said.text.removeprefix(name + ' '))}"


_Run = tuple[str, int, float | None]
"""What tells a run of an instance from its others."""


def _run(row: ObservedRow) -> _Run:
    return row.name, row.run, row.started_at


class Announcer:
    """Puts events into lines, in an order that makes sense: a process has started before it has ended.

    The answer to a start, the first change of its row and the beginning of its log arrive in any order, and the end of
    the run before it may come after the answer to the stop. The end of a process that another one waits for is told
    twice, by its row and by the wait: it is said once.
    """

    def __init__(self) -> None:
        self._starting: set[Instance] = set()
        """What we are starting, until that has been said."""
        self._ours: dict[Instance, _Run | None] = {}
        """What we are starting, until its row shows it: what else appears was started by another command.

        With the run that each had before.
        """
        self._runs: dict[Instance, _Run] = {}
        """The run of each that its row has shown last."""
        self._last: dict[Instance | None, str] = {}

    def __call__(self, event: events.EngineEvent) -> list[Announcement]:
        """Return the lines for an event; none for one that is not worth a line."""
        if isinstance(event, events.RowChanged) and event.row.phase in (Phase.STARTING, Phase.RUNNING):
            self._last.pop(event.row.instance, None)
        said = [line for line in self._lines(event) if not self._is_repeated(line)]
        if isinstance(event, events.RowChanged):
            self._runs[event.row.instance] = _run(event.row)
        self._last.update((line.instance, line.text) for line in said)
        return said

    def _is_repeated(self, said: Announcement) -> bool:
        """Return whether it was what was said last of that instance; a wait puts the instance's name in front."""
        last = self._last.get(said.instance) if said.instance is not None else None
        return last is not None and (said.text.endswith(last) or last.endswith(said.text))

    def _lines(self, event: events.EngineEvent) -> list[Announcement]:
        match event:
            case events.StepBegun(Step(action=Start(instance=instance))):
                self._starting.add(instance)
                self._ours[instance] = self._runs.get(instance)
                return []
            case events.StepFailed(Step(action=Start(instance=instance))):
                self._starting.discard(instance)
                self._ours.pop(instance, None)
            case events.StepDone(Step(action=Start(instance=instance))) | events.RunBegan(instance):
                return self._started(instance)
            case events.RowChanged(row, _) if self._ours.get(row.instance) == _run(row):
                if row.instance not in self._starting:
                    return []  # its end comes late: the next run has been announced
            case events.RowChanged(row, _) if event.started and row.instance not in self._ours:
                again = f" (run {row.run})" if row.run > 1 else ""
                return [Announcement(row.instance, f"started by another command{again}")]
            case events.RowChanged(row, _) if row.instance in self._starting:
                self._seen(event)
                ended = None if row.live else _ended(row)
                return [*self._started(row.instance), *filter(None, [ended])]
            case events.RowChanged():
                self._seen(event)
        said = _announce(event)
        return [said] if said is not None else []

    def _seen(self, event: events.RowChanged) -> None:
        if event.started or not event.row.live:
            self._ours.pop(event.row.instance, None)

    def _started(self, instance: Instance) -> list[Announcement]:
        if instance not in self._starting:
            return []
        self._starting.discard(instance)
        return [Announcement(instance, "started")]


def _announce(event: events.EngineEvent) -> Announcement | None:
    match event:
        case events.StepDone(step):
            return _done(step.action)
        case events.StepFailed(step, error):
            return _failed(step.action, error.message, error.hint)
        case events.RowChanged(row, before):
            return _changed(row, before)
        case events.BecameReady(instance):
            return Announcement(instance, "is ready", Severity.GOOD)
        case events.OutputLost(instance, size):
            words = f"{size} bytes of its output are lost: it wrote faster than they were read"
            return Announcement(instance, words, Severity.BAD)
        case events.CopyDone(sandbox, copied, seconds):
            return Announcement(None, copied_words(sandbox, copied, seconds)) if copied else None
        case events.SandboxNote(sandbox, text):
            return Announcement(None, f"sandbox {sandbox} {text}")
        case events.AnswerAwaited() | events.StreamsShared() | events.ConnectionLost() | events.ConnectionRestored():
            return Announcement(None, connection_words(event) or "")
        case events.WatchMessage(instance, text, bad):
            return Announcement(instance, text, Severity.BAD if bad else Severity.PLAIN)
        case _:
            return None


def _done(action: object) -> Announcement | None:
    match action:
        case Await(instance, condition):
            told_by_its_row = condition in ("completed", "ended")
            return None if told_by_its_row else Announcement(instance, f"is {condition}", Severity.GOOD)
        case StopOneOff(command, instance):
            from sbxcompose.command_line import command_line  # late: few plans have one

            # Not "... stopped" at its end: beside the end of the process itself that would be taken for a repetition.
            return Announcement(instance, f"stopped the one-off command `{command_line(command.command)}`")
        case ResumeSandbox(sandbox) | UpdateSandbox(sandbox) | SuspendSandbox(sandbox) | TerminateSandbox(sandbox):
            return Announcement(None, f"sandbox {sandbox.name} {_CHANGED[type(action)]}")
        case _:
            return None


_CHANGED: Mapping[type, str] = {
    ResumeSandbox: "resumed",
    UpdateSandbox: "updated",
    SuspendSandbox: "suspended",
    TerminateSandbox: "terminated",
}


def _failed(action: object, words: str, hint: str | None) -> Announcement:
    text = f"{words}; {hint}" if hint else words
    match action:
        case Start(_, instance):
            return Announcement(instance, f"could not be started: {message_without_name(text)}", Severity.BAD)
        case Await(instance):
            return Announcement(instance, text, Severity.BAD)
        case Sync(sandbox):
            return Announcement(None, f"files could not be copied to {sandbox.name}: {text}", Severity.BAD)
        case StopOneOff(_, instance):
            return Announcement(instance, f"one-off command could not be stopped: {text}", Severity.BAD)
        case Stop(row):
            return Announcement(row.instance, f"could not be stopped: {message_without_name(text)}", Severity.BAD)
        case _:
            return Announcement(None, text, Severity.BAD)


def _changed(row: ObservedRow, before: ObservedRow | None) -> Announcement | None:
    if before is None or (before.phase is row.phase and before.run == row.run):
        return None
    match row.phase:
        case Phase.BACKING_OFF:
            first = background(row) is not None and not row.restarts
            hint = f"; {foreground_hint(row, None)}" if first else ""
            return Announcement(row.instance, f"{row_end(row)}{_pause(row)}{hint}", Severity.BAD)
        case Phase.EXITED | Phase.STOPPED:
            return _ended(row)
        case Phase.UNHEALTHY:
            seen = f": {row.last_check}" if row.last_check else ""
            return Announcement(row.instance, f"is unhealthy{seen}", Severity.BAD)
        case Phase.STARTING | Phase.RUNNING if before.live and before.run != row.run:
            return Announcement(row.instance, f"restarted (run {row.run})")
        case Phase.RUNNING if before.phase is Phase.UNHEALTHY:
            return Announcement(row.instance, "is healthy again", Severity.GOOD)
        case _:
            return None


def _pause(row: ObservedRow) -> str:
    """Return how long it waits for its next run; the few milliseconds between the end and the decision are not of
    interest.
    """
    if row.next_restart_at is None or row.exit is None or row.exit.at is None:
        return ""
    seconds = max(row.next_restart_at - row.exit.at, 0)
    return f", restarts in {round(seconds, 1 if seconds >= 0.1 else 3):g}s"


def _ended(row: ObservedRow) -> Announcement:
    if row.phase is Phase.STOPPED:
        error = f" ({row.last_error})" if row.last_error else ""
        return Announcement(row.instance, f"stopped{error}")
    left = background(row)
    if left is not None:
        words = f"completed, but {left}" if row.completed else row_end(row)
        return Announcement(row.instance, f"{words}; {foreground_hint(row, None)}", Severity.BAD)
    if row.completed:
        return Announcement(row.instance, "completed", Severity.GOOD)
    good = row.exit is not None and row.exit.success
    return Announcement(row.instance, row_end(row), Severity.PLAIN if good else Severity.BAD)
