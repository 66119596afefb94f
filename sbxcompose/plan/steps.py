"""What is to be done: actions, each in a step with its reason and what it comes after, and the plan of them.

A plan is text that a person can read, JSON that a program can, and what tests assert.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from msgspec import Struct

from sbxcompose.plan.copies import ToCopy
from sbxcompose.plan.observed import Foreign, Instance, LeftSandbox, ObservedRow
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Condition, Process, Sandbox


class CreateSandbox(Struct, frozen=True):
    """Make the sandbox and wait until it runs; one that another client is just creating is used."""

    kind: ClassVar[str] = "create"
    sandbox: Sandbox
    start_from: str | None = None
    """The id of a snapshot that it begins with, in which its set-up is done."""


class ResumeSandbox(Struct, frozen=True):
    """Wake the sandbox and wait until it runs."""

    kind: ClassVar[str] = "resume"
    sandbox: Sandbox


class UpdateSandbox(Struct, frozen=True):
    """Give the sandbox, as it is, the ports and the network policy of the file."""

    kind: ClassVar[str] = "update"
    sandbox: Sandbox


class SuspendSandbox(Struct, frozen=True):
    """Put the sandbox to sleep; it keeps its disk and memory."""

    kind: ClassVar[str] = "suspend"
    sandbox: Sandbox


class TerminateSandbox(Struct, frozen=True):
    """End the sandbox for good: its data is lost."""

    kind: ClassVar[str] = "terminate"
    sandbox: Sandbox


class SnapshotSandbox(Struct, frozen=True):
    """Take a snapshot of the new sandbox, in which its set-up is done, for the next one."""

    kind: ClassVar[str] = "snapshot"
    sandbox: Sandbox


class Sync(Struct, frozen=True):
    """Copy the project's files into the sandbox; `to_copy` is what was seen to have changed."""

    kind: ClassVar[str] = "sync"
    sandbox: Sandbox
    to_copy: ToCopy


class Start(Struct, frozen=True):
    """Begin to supervise `instance` under the managed name `name`.

    `replaces` names the live runs beside which it starts, because they stop once it is ready (`update: start-first`).
    """

    kind: ClassVar[str] = "start"
    process: Process
    instance: Instance
    name: str
    replaces: tuple[str, ...] = ()
    restored: bool = False
    """It is a set-up command whose work is in the snapshot that its sandbox begins with."""


class Stop(Struct, frozen=True):
    """End the supervision of `row` and its run: `command` or `signal`, after `grace` seconds what is left is killed.

    `replaced`: a new run of the same instance follows.
    """

    kind: ClassVar[str] = "stop"
    row: ObservedRow
    signal: int
    grace: float
    command: tuple[str, ...] = ()
    replaced: bool = False


class StopOneOff(Struct, frozen=True):
    """End a command that `run` or `exec` has started: by `signal`, after `grace` seconds what is left is killed.

    One on a terminal is hung up.
    """

    kind: ClassVar[str] = "stop-one-off"
    command: Foreign
    instance: Instance
    """The one that it was run for."""
    signal: int
    grace: float


class Await(Struct, frozen=True):
    """Wait until `instance` has reached `condition`, which is `READY` (it has a check) or `COMPLETED`.

    `name` is the managed name of the row that is meant, as the plan knows it.
    """

    kind: ClassVar[str] = "await"
    instance: Instance
    condition: Condition
    process: Process
    name: str


_LISTED = 3
"""How many processes a message names; of more it gives the number."""


class MarkDown(Struct, frozen=True):
    """Mark in the sandbox that the project was taken down: what has completed in it until then counts no more."""

    kind: ClassVar[str] = "forget"
    sandbox: Sandbox


SandboxAction = CreateSandbox | ResumeSandbox | UpdateSandbox | SuspendSandbox | TerminateSandbox
Action = SandboxAction | SnapshotSandbox | Sync | MarkDown | Start | Stop | StopOneOff | Await


class Step(Struct, frozen=True):
    """An action, begun once the steps in `after` have succeeded. `subject` is its name for people."""

    number: int
    action: Action
    subject: str
    reason: str
    after: tuple[int, ...] = ()

    def __str__(self) -> str:
        after = f", after {', '.join(map(str, self.after))}" if self.after else ""
        return f"{self.number}. {self.title}{after}: {self.reason}"

    @property
    def title(self) -> str:
        """What is done to what: `start web`, `wait until db is ready`, `create sandbox app`."""
        match self.action:
            case Start() | Stop() | Sync():
                return f"{self.action.kind} {self.subject}"
            case StopOneOff(command):
                return f"stop one-off command of {self.subject} (pid {command.pid})"
            case MarkDown():
                return f"reset completed one-shots in {self.subject}"
            case Await(condition=condition):
                return f"wait until {self.subject} is {condition}"
            case _:
                return f"{self.action.kind} sandbox {self.subject}"

    @property
    def place(self) -> dict[str, Any]:
        """Return the sandbox, the process and the replica concerned; of a whole sandbox the last two are null."""
        match self.action:
            case Stop(row):
                instance = row.instance
            case Start() | StopOneOff() | Await():
                instance = self.action.instance
            case _:
                return {"sandbox": self.action.sandbox.name, "process": None, "replica": None}
        return {"sandbox": instance.sandbox, "process": instance.process, "replica": instance.replica}

    def to_json(self) -> dict[str, Any]:
        """Return every field a program may want; those without meaning for the action are null."""
        return {
            "number": self.number,
            "action": self.action.kind,
            "subject": self.subject,
            **_details(self.action, self.place),
            "reason": self.reason,
            "after": list(self.after),
        }


def _details(action: Action, place: dict[str, Any]) -> dict[str, Any]:
    names = ("name", "digest", "run", "condition", "signal", "grace", "command", "copy")
    details: dict[str, Any] = {**place, **dict.fromkeys(names)}
    match action:
        case Start(process, _, name):
            details.update(name=name, digest=process.digest)
        case Stop(row, signal, grace, command):
            details.update(name=row.name, digest=row.digest, run=row.run, signal=signal, grace=grace)
            details.update(command=list(command) or None)
        case StopOneOff(foreign, _, signal, grace):
            details.update(signal=signal, grace=grace, command=list(foreign.command))
        case Await(_, condition, process, name):
            details.update(name=name, digest=process.digest, condition=condition.value)
        case Sync(sandbox, to_copy):
            details.update(name=sandbox.full_name, copy=to_copy.to_json())
        case _:
            details.update(name=action.sandbox.full_name)
    return details


class PlanNote(Struct, frozen=True):
    """A remark on the plan. `kind` is for programs, `text` for people.

    Kinds: `orphan`, `foreign`, `sandbox` (differs from the file), `local` (a key without meaning here),
    `replicas` (that share the port of a health check), `port` (one that is taken), `success_exit_codes` (that the
    provider does not know),
    `unseen` (a sandbox that could not be looked into yet), `outdated` (an older definition was left running),
    `surplus` (a replica beyond those of the file was left alone), `suspended` (a sandbox was left suspended),
    `kept` (sandboxes in the cloud that outlive a `down`), `profile` (of `SBXCOMPOSE_PROFILES`, that no process has).
    """

    kind: str
    text: str
    sandbox: str

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> dict[str, Any]:
        """Return the note for a program."""
        return {"kind": self.kind, "sandbox": self.sandbox, "text": self.text}


class Plan(Struct, frozen=True):
    """The steps from what is observed to what is wanted. A step comes only after steps with lower numbers.

    `unchanged` counts the instances that were looked at and need nothing: `running` of them run, and `completed` are
    the names of those that have completed and are not run again. `provisional`: a sandbox could not
    be looked into because it is not running, so carry out `sandboxes_first()`, observe, and plan again. `left`:
    sandboxes that are no longer those of the file, to be taken down beside this plan.
    """

    steps: tuple[Step, ...] = ()
    notes: tuple[PlanNote, ...] = ()
    unchanged: int = 0
    running: int = 0
    completed: tuple[str, ...] = ()
    provisional: bool = False
    left: tuple[LeftSandbox, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.steps

    def sandboxes_first(self) -> Plan:
        """Return the steps that make sandboxes run, which come after no others."""
        ready = tuple(
            step for step in self.steps if isinstance(step.action, CreateSandbox | ResumeSandbox) and not step.after
        )
        return Plan(ready, self.notes)

    @property
    def finished(self) -> bool:
        """Whether nothing is to be done and nothing runs, because everything has completed."""
        return self.empty and not self.running and bool(self.completed)

    @property
    def summary(self) -> str:
        """One line: `2 to start, 1 to stop, 7 unchanged`."""
        counts = self.counts()
        parts = [
            f"{counted(counts['sandboxes'], 'sandbox')} to change",
            f"{counts['copy']} to copy into",
            f"{counts['start']} to start",
            f"{counts['replace']} to replace",
            f"{counts['stop']} to stop",
        ]
        shown = [part for part in parts if not part.startswith("0 ")]
        if self.finished:
            return f"nothing to do: {self.how_to_rerun()}"
        if self.unchanged or (self.steps and not shown):
            shown.append(f"{self.unchanged} unchanged")
        return ", ".join(shown if self.steps else ["nothing to do", *shown])

    def how_to_rerun(self) -> str:
        """Say what has completed, and the command that runs it again."""
        names = self.completed
        if len(names) > _LISTED:
            return f"all {len(names)} processes have completed; `sbxcompose up --force-recreate` runs them again"
        listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        have, them = ("has", "it") if len(names) == 1 else ("have", "them")
        return f"{listed} {have} completed; `sbxcompose up {' '.join(names)}` runs {them} again"

    def counts(self) -> dict[str, int]:
        """Return how many instances start, are replaced (stopped and started), stop; how many sandboxes change."""
        starts = {step.action.instance for step in self.steps if isinstance(step.action, Start)}
        stops = {step.action.row.instance for step in self.steps if isinstance(step.action, Stop)}
        sandboxes = {step.subject for step in self.steps if isinstance(step.action, SandboxAction)}
        return {
            "copy": sum(1 for step in self.steps if isinstance(step.action, Sync)),
            "start": len(starts - stops),
            "replace": len(starts & stops),
            "stop": len(stops - starts),
            "sandboxes": len(sandboxes),
            "unchanged": self.unchanged,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the plan for a program."""
        return {
            "empty": self.empty,
            "provisional": self.provisional,
            "steps": [step.to_json() for step in self.steps],
            "notes": [note.to_json() for note in self.notes],
            "counts": self.counts(),
        }
