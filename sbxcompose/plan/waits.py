"""What a command is waiting for, for whom and since when: what is worth a line or a row now, and in which words.

Pure: moments are given, in seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

from msgspec import Struct

from sbxcompose import signals
from sbxcompose.plan.describe import awaited_sign, ended, seconds
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.steps import (
    Await,
    CreateSandbox,
    ResumeSandbox,
    SnapshotSandbox,
    Start,
    Step,
    Stop,
    StopOneOff,
    SuspendSandbox,
    Sync,
    TerminateSandbox,
)
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Condition, Process

REPORTS = (5.0, 15.0, 30.0, 60.0)
"""Seconds of waiting after which a line is printed; then once a minute."""
WORTH_SHOWING = 0.5
"""Seconds of waiting after which it is shown on a terminal: less is not read."""


class WaitState(Struct, frozen=True):
    """How it stands in a table: a state in a word or two, and what there is to be known of it."""

    state: str
    details: str = ""
    settling: bool = False
    """Nothing is missing but a moment."""


STARTING = WaitState("starting")


class Wait(Struct, frozen=True):
    """Completes "waiting for …": what (`db to be ready`), who needs it, and how it stands now; `name` and `standing`
    say the same in a table.
    """

    what: str
    needed_by: str | None = None
    state: str | None = None
    name: str = ""
    standing: WaitState = STARTING
    about: frozenset[str] = frozenset()
    """The names of those whose change makes it out of date, where it is not only `name`."""

    def line(self, waited: float) -> str:
        """Return the wait as a line of its own."""
        needed = f"; {self.needed_by}" if self.needed_by else ""
        state = f": {self.state}" if self.state else ""
        return f"waiting for {self.what} ({seconds(int(waited))}{needed}){state}"


def next_report(waited: float) -> float:
    """Return after how many seconds of waiting the next line is due, for one who has waited `waited`."""
    for moment in REPORTS:
        if waited < moment:
            return moment
    return (waited // 60 + 1) * 60


class Waits:
    """What is being waited for, and what has been reported of it. Keys tell waits apart."""

    def __init__(self) -> None:
        self._since: dict[Hashable, float] = {}
        self._due: dict[Hashable, float] = {}
        self._stood: dict[Hashable, tuple[str, float]] = {}
        """In which state it was last, and since when."""

    def set(self, keys: Iterable[Hashable], now: float) -> None:
        """Wait for these from now on, and for nothing else; what was waited for already keeps its time."""
        wanted = dict.fromkeys(keys)
        self._since = {key: self._since.get(key, now) for key in wanted}
        self._due = {key: self._due.get(key, self._since[key] + next_report(0.0)) for key in wanted}

    def reports(self, waits: Mapping[Hashable, Wait], now: float) -> list[str]:
        """Return the lines that are due."""
        lines = []
        for key, due in self._due.items():
            if now >= due and key in waits:
                waited = now - self._since[key]
                self._due[key] = self._since[key] + next_report(waited)
                lines.append(waits[key].line(waited))
        return lines

    def next_due(self) -> float | None:
        """Return the moment at which the next line is due; None if nothing is waited for."""
        return min(self._due.values(), default=None)

    def current(self, waits: Mapping[Hashable, Wait], now: float) -> list[tuple[Wait, float]]:
        """Return all of them, each with the seconds that it has stood so; nothing before one is worth showing."""
        known = {key: wait for key, wait in waits.items() if key in self._since}
        self._stood = {key: self._state_since(key, wait, now) for key, wait in known.items()}
        if all(now - self._since[key] < WORTH_SHOWING or wait.standing.settling for key, wait in known.items()):
            return []
        return [(wait, now - self._stood[key][1]) for key, wait in known.items()]

    def _state_since(self, key: Hashable, wait: Wait, now: float) -> tuple[str, float]:
        before = self._stood.get(key)
        if before is not None and before[0] == wait.standing.state:
            return before
        return wait.standing.state, now if before is not None else self._since[key]


def wait_of(step: Step, state: str | None = None, standing: WaitState | None = None) -> Wait | None:
    """Return what a step that has begun waits for; None for one that is not worth it.

    `state` and `standing` are how the awaited process or sandbox stands, where that is known; of a copy, how far it is.
    """
    subject = step.subject
    match step.action:
        case Await(_, condition):
            return awaiting(subject, condition, step.reason, state, standing or STARTING)
        case Stop(_, signal, grace, command):
            asked = "ran its stop command" if command else f"sent {signals.shown(signal)}"
            details = f"{asked}, SIGKILL follows after {seconds(grace)}"
            return Wait(f"{subject} to stop", None, details, subject, WaitState("stopping", details))
        case StopOneOff(command):
            details = f"pid {command.pid}, SIGKILL follows"
            name = f"a one-off command of {subject}"
            return Wait(f"{name} to stop", None, details, name, WaitState("stopping", details))
        case Start():
            return Wait(f"{subject} to start", name=subject)
        case CreateSandbox():
            return _sandbox(subject, "to be created", standing or WaitState("creating"))
        case SnapshotSandbox():
            return _sandbox(subject, "to be copied into a snapshot", WaitState("snapshotting"))
        case ResumeSandbox():
            return _sandbox(subject, "to resume", standing or WaitState("resuming"))
        case SuspendSandbox():
            return _sandbox(subject, "to be suspended", WaitState("suspending"))
        case TerminateSandbox():
            return _sandbox(subject, "to be terminated", WaitState("terminating"))
        case Sync():
            name = f"files of {subject}"
            return Wait(f"{name} to be copied", state=state, name=name, standing=WaitState("copying"))
        case _:
            return None


def _sandbox(subject: str, aim: str, standing: WaitState) -> Wait:
    name = f"sandbox {subject}"
    return Wait(f"{name} {aim}", state=standing.details or None, name=name, standing=standing)


def awaiting(
    label: str,
    condition: Condition | None,
    needed_by: str | None,
    state: str | None,
    standing: WaitState = STARTING,
) -> Wait:
    """Return the wait for a process to reach a condition, or to end."""
    return Wait(f"{label} to {_REACH[condition]}", needed_by, state, label, standing)


TO_STOP = " to stop"
"""Completes the name of a process of which not its start is waited for."""


class HeldUpInstance(Struct, frozen=True):
    """An instance that is not started, or stopped, before `needs` are as it wants them; `label` is its name."""

    instance: Instance
    label: str
    needs: tuple[str, ...]


def held_up(waiting: Iterable[HeldUpInstance]) -> dict[Hashable, Wait]:
    """Return a wait for each of them, by its instance; replicas that wait for the same are one, by the first."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[HeldUpInstance]] = {}
    for held in waiting:
        groups.setdefault((held.instance.sandbox, held.instance.process, held.needs), []).append(held)
    return {group[0].instance: _held_up(group) for group in groups.values()}


def _held_up(group: Sequence[HeldUpInstance]) -> Wait:
    needs, label = group[0].needs, group[0].label
    if len(group) > 1:
        label = f"{label.rpartition('.')[0]} ({len(group)})"
    shown = needs if len(needs) <= 4 else (*needs[:3], f"{len(needs) - 3} others")
    about = frozenset((*(held.label for held in group), *(need.removesuffix(TO_STOP) for need in needs)))
    standing = WaitState("waiting", f"for {', '.join(shown)}")
    return Wait(f"{label} to be started", name=label, standing=standing, about=about)


def standing_of(
    row: ObservedRow | None, process: Process, condition: Condition | None, check: str | None, now: float
) -> WaitState:
    """Return how a process stands that is waited for; `check` is what its last failed check saw."""
    if row is None:
        return STARTING
    seen = f"the last check saw: {check}" if check else ""
    restarted = f"restarted {counted(row.restarts, 'time')}" if row.restarts else ""
    if row.phase is Phase.BACKING_OFF:
        again = "" if row.next_restart_at is None else f"restarts in {seconds(row.next_restart_at - now)}"
        return WaitState("backing off", joined(ended(row), again, restarted))
    if row.phase in (Phase.STARTING, Phase.UNHEALTHY):
        return WaitState(str(row.phase), joined(seen, restarted))
    if row.phase is not Phase.RUNNING:
        return WaitState(str(row.phase), ended(row))
    if condition is Condition.READY:
        return WaitState("starting", joined(awaited_sign(process) or "", seen, restarted))
    if condition is Condition.STARTED:
        return WaitState("starting", joined("has to run for a second", restarted), settling=not row.failed_runs)
    return WaitState("running", restarted)


def setup_step(process: Process, processes: Iterable[Process]) -> str:
    """Say which step of its sandbox's set-up a process is, of the sandbox's `processes`."""
    steps = [other.name for other in processes if other.is_setup]
    from sbxcompose.command_line import command_line  # late: few projects have a setup

    return f"step {steps.index(process.name) + 1} of {len(steps)}: {command_line(process.command)}"


def joined(*parts: str) -> str:
    """Return the parts that there are, as a list."""
    return ", ".join(filter(None, parts))


_REACH = {
    Condition.READY: "be ready",
    Condition.COMPLETED: "complete",
    Condition.STARTED: "run",
    Condition.ENDED: "end",
    None: "exit",
}
