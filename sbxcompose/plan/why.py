"""Why an instance is not running, or not the way the file says: from the file and what is observed, nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.command_line import command_line
from sbxcompose.plan.background import background, foreground_hint
from sbxcompose.plan.blockers import Blocker, blockers, needs_started_after
from sbxcompose.plan.decisions import completed
from sbxcompose.plan.describe import (
    doing,
    ended,
    gave_up,
    memory_hint,
    seconds,
    stop_output,
    told_by_supervisor,
    unready,
)
from sbxcompose.plan.graph import Graph
from sbxcompose.plan.observed import Instance, Observed, ObservedRow, Phase, SandboxState, StartFailure
from sbxcompose.plan.world import GONE, World
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Condition, Process, Project

NOTHING: Mapping[Instance, bool | None] = {}


class Cause(StrEnum):
    """What an explanation comes down to, for programs; completes "web is …"."""

    FINE = "fine"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    BLOCKED = "blocked"
    """Its output cannot be written."""
    BACKING_OFF = "backing off"
    FAILED = "failed"
    COMPLETED = "completed"
    STOPPED = "stopped"
    OUTDATED = "outdated"
    HELD_UP = "held up"
    NOT_STARTED = "not started"
    SURPLUS = "surplus"
    ORPHAN = "orphan"
    INACTIVE = "inactive"
    SANDBOX = "without a sandbox"
    UNKNOWN = "unknown"


class Explanation(Struct, frozen=True):
    """`lines` are whole sentences without a full stop, the most important first; `hint` is the way out.

    `blockers` are those of them that say what holds the instance up.
    """

    instance: Instance
    label: str
    cause: Cause
    lines: tuple[str, ...]
    hint: str | None = None
    blockers: tuple[Blocker, ...] = ()

    def __str__(self) -> str:
        hint = (f"hint: {self.hint}",) if self.hint else ()
        return "\n".join((*self.lines, *hint))

    def to_json(self) -> dict[str, Any]:
        """Return the explanation for a program."""
        return {
            **self.instance.to_json(),
            "label": self.label,
            "cause": self.cause.value,
            "lines": list(self.lines),
            "hint": self.hint,
        }


def why(
    project: Project,
    observed: Observed,
    instance: Instance,
    now: float,
    ready: Mapping[Instance, bool | None] = NOTHING,
) -> Explanation:
    """Explain one instance; `now` is seconds since 1970. An unknown instance is explained too.

    `ready` says of instances whose readiness no row shows what has been found out; None, or nothing: unknown.
    """
    return _Why(World(project, observed), instance, now, ready).explain()


class _Why:
    def __init__(self, world: World, instance: Instance, now: float, ready: Mapping[Instance, bool | None]) -> None:
        self._ready = ready
        self._world = world
        self._graph: Graph = world.graph
        self._instance = instance
        self._now = now
        self._label = world.names.instance(instance)
        self._has_file = bool(world.project.files)
        self._held_up_by: tuple[Blocker, ...] = ()

    def explain(self) -> Explanation:
        """Return what is the matter; the process's own description follows the headline."""
        found = self._explain()
        process = self._world.project.process(self._instance.sandbox, self._instance.process)
        if process is None or process.description is None:
            return found
        return replace(found, lines=(found.lines[0], process.description, *found.lines[1:]))

    def _explain(self) -> Explanation:
        node = self._graph.index.get((self._instance.sandbox, self._instance.process))
        if node is None:
            return self._not_in_file()
        process = self._graph.processes[node]
        rows = self._world.rows(node).get(self._instance.replica, [])
        live = [row for row in rows if row.live]
        asleep = self._sandbox_asleep()
        if asleep is not None:
            return asleep
        if self._instance.replica > process.replicas:
            return self._surplus(process, live)
        failure = self._world.observed.failure(self._instance)
        if live:
            found = self._running(process, live)
            return found if failure is None else replace(found, lines=(*found.lines, *self._tried(failure)))
        if failure is not None:
            return self._could_not_start(process, failure)
        if not self._graph.active[node] and not (rows and rows[-1].phase is Phase.EXITED):
            return self._not_wanted(process)
        return self._ended(node, process, rows[-1]) if rows else self._never_ran(node)

    def _not_wanted(self, process: Process) -> Explanation:
        if process.autostart:
            profiles = " or ".join(f"`{profile}`" for profile in process.profiles)
            lines = [f"{self._label} is only wanted with the profile {profiles}, which is not active"]
            return self._said(Cause.INACTIVE, lines, f"`sbxcompose start {self._label}` starts it all the same")
        lines = [f"{self._label} is only started by name, or when another process needs it (`autostart: false`)"]
        return self._said(Cause.INACTIVE, lines, f"`sbxcompose start {self._label}` starts it")

    def _could_not_start(self, process: Process, failure: StartFailure) -> Explanation:
        """Explain an instance whose latest start failed, whatever it did before."""
        lines = self._tried(failure)
        if failure.digest != process.digest:
            lines.append("its definition in the file has changed since")
        return self._said(Cause.FAILED, lines, self._by_file(f"`sbxcompose up {self._label}` tries again"))

    def _tried(self, failure: StartFailure) -> list[str]:
        """Say what was tried and what the system answered."""
        where = f" in {failure.directory}" if failure.directory else ""
        ago = seconds(self._now - failure.at)
        return [
            f"{self._label} could not be started, {ago} ago: {failure.error}",
            f"its command was `{command_line(failure.command)}`{where}",
        ]

    def _by_file(self, hint: str) -> str | None:
        """Return a hint that names a command which needs the file; None where there is none."""
        return hint if self._has_file else None

    def _said(self, cause: Cause, lines: Sequence[str], hint: str | None = None) -> Explanation:
        return Explanation(self._instance, self._label, cause, tuple(lines), hint, self._held_up_by)

    def _not_in_file(self) -> Explanation:
        mine = [row for row in self._world.orphans if row.instance == self._instance]
        if not mine:
            return self._said(Cause.UNKNOWN, [f"{self._label} is neither in the file nor running"])
        lines = [f"{self._label} is no longer in the file, but {doing(mine[-1], self._now)}"]
        return self._said(Cause.ORPHAN, lines, "`sbxcompose up --remove-orphans` stops it")

    def _sandbox_asleep(self) -> Explanation | None:
        name = self._instance.sandbox
        state = self._world.seen(name).state
        if state is SandboxState.RUNNING:
            return None
        words = {
            SandboxState.MISSING: "does not exist",
            SandboxState.TERMINATED: "was terminated",
            SandboxState.SUSPENDED: "is suspended",
            SandboxState.PENDING: "is still being made",
        }[state]
        lines = [f"{self._label} is not running: its sandbox {name} {words}"]
        hint = None
        if state is not SandboxState.PENDING:
            hint = self._by_file(f"`sbxcompose up` {'creates' if state in GONE else 'resumes'} it")
        return self._said(Cause.SANDBOX, lines, hint)

    def _surplus(self, process: Process, live: Sequence[ObservedRow]) -> Explanation:
        lines = [
            f"the file has {counted(process.replicas, 'replica')} of {process.name}: {self._label} is not among them"
        ]
        if not live:
            return self._said(Cause.SURPLUS, lines)
        lines.append(f"{self._label} {doing(live[-1], self._now)}")
        return self._said(Cause.SURPLUS, lines, "`sbxcompose up` stops it")

    def _running(self, process: Process, live: Sequence[ObservedRow]) -> Explanation:
        same = [row for row in live if row.digest == process.digest]
        row = (same or live)[-1]
        cause, lines = self._alive(row)
        hint = memory_hint(row) if cause is Cause.BACKING_OFF else None
        if cause is Cause.FINE and same and process.ready_when is not None:
            cause = self._not_ready(process, row, lines)
        if not same:
            lines.append("its definition in the file has changed: it runs the older one")
            hint = f"`sbxcompose up {self._label}` replaces it"
            cause = Cause.OUTDATED if cause is Cause.FINE else cause
        elif len(live) > 1:
            lines.append(f"it is running {len(live)} times: an update or two commands overlapped")
            hint = self._by_file(f"`sbxcompose up {self._label}` keeps one")
            cause = Cause.OUTDATED if cause is Cause.FINE else cause
        elif cause is Cause.FINE:
            lines.append("it matches the file" if self._has_file else "there is no file to compare it with")
        if row.output_blocked is not None:
            lines.append(f"its output cannot be written ({row.output_blocked}); it waits once its pipe is full")
            where = "`sbxcompose host status` shows where that is"
            hint = hint or f"free space on the disk that holds the host's state; {where}"
            cause = Cause.BLOCKED if cause is Cause.FINE else cause
        return self._said(cause, lines, hint)

    def _alive(self, row: ObservedRow) -> tuple[Cause, list[str]]:
        words = f"{self._label} {doing(row, self._now)}"
        match row.phase:
            case Phase.RUNNING:
                return Cause.FINE, [f"{self._label} {self._runs(row)}", *_past(row)]
            case Phase.STARTING:
                return Cause.STARTING, [words, *_past(row)]
            case Phase.UNHEALTHY:
                return Cause.UNHEALTHY, [words, *_past(row)]
            case _:
                return Cause.BACKING_OFF, [words]

    def _not_ready(self, process: Process, row: ObservedRow, lines: list[str]) -> Cause:
        """Add what is known of its readiness to the lines about a process that runs."""
        match self._ready.get(row.instance):
            case True:
                lines.append("it is ready")
            case False:
                lines.append(f"it is {unready(process, Condition.READY)}")
                return Cause.STARTING
            case None:
                lines.append("whether it is ready is unknown")
        return Cause.FINE

    def _runs(self, row: ObservedRow) -> str:
        if row.started_at is None:
            return "is running and healthy" if row.has_health_check else "is running"
        healthy = " and is healthy" if row.has_health_check else ""
        return f"has been running for {seconds(self._now - row.started_at)}{healthy}"

    def _ended(self, node: int, process: Process, row: ObservedRow) -> Explanation:
        when = ""
        if row.exit is not None and row.exit.at is not None:
            when = f", {seconds(self._now - row.exit.at)} ago"
        if row.phase is Phase.STOPPED:
            stopped = [f"{self._label} was stopped on request{when}", *stop_output(row)]
            held = self._blockers(node) if needs_started_after(self._world, node, row) else []
            if held:
                return self._said(Cause.HELD_UP, [f"{self._label} is held up", *held, *stopped])
            return self._said(Cause.STOPPED, stopped, self._by_file(f"`sbxcompose start {self._label}` starts it"))
        changed = row.digest != process.digest
        if completed(row, job=self._graph.job[node]):
            return self._completed(process, row, when, changed)
        lines = [f"{self._label} {ended(row)}{when}"]
        if row.past and row.exit is not None and row.exit.success:
            again = ": `sbxcompose up` runs it again" if self._has_file else ""
            lines = [f"{self._label} completed{when}", f"that was before the last `down`{again}"]
            left = background(row)
            if left is None:
                return self._said(Cause.COMPLETED, lines)
            job = row.one_shot or self._graph.job[node]
            return self._said(
                Cause.COMPLETED if job else Cause.FAILED, [lines[0], left, *lines[1:]], foreground_hint(row, process)
            )
        given_up = gave_up(row, process)
        if given_up is not None:
            lines.append(given_up)
        elif not told_by_supervisor(row, process):
            lines.append(f"its restart policy is `{process.restart.policy}`: it is not restarted")
        if changed:
            lines.append("its definition in the file has changed since")
        lines += self._blockers(node)
        again = f"; `sbxcompose up {self._label}` starts it again" if self._has_file else ""
        hint = memory_hint(row) or f"`sbxcompose logs {self._label}` shows its output{again}"
        return self._said(Cause.FAILED, lines, foreground_hint(row, process) if background(row) else hint)

    def _completed(self, process: Process, row: ObservedRow, when: str, changed: bool) -> Explanation:
        lines = [f"{self._label} has completed{when}: it is a one-shot and its work is done"]
        left = background(row)
        if left is not None:
            lines.append(left)
            return self._said(Cause.COMPLETED, lines, foreground_hint(row, process))
        if not changed:
            return self._said(
                Cause.COMPLETED, lines, self._by_file(f"`sbxcompose restart {self._label}` runs it again")
            )
        lines.append("its definition in the file has changed since")
        return self._said(Cause.OUTDATED, lines, "`sbxcompose up` runs it again")

    def _blockers(self, node: int) -> list[str]:
        self._held_up_by = tuple(blockers(self._world, node, self._now, self._ready))
        return [str(blocker) for blocker in self._held_up_by]

    def _never_ran(self, node: int) -> Explanation:
        held = self._blockers(node)
        if held:
            lines = [f"{self._label} has not been started: it is held up", *held]
            return self._said(Cause.HELD_UP, lines)
        lines = [f"{self._label} has not been started; none of its dependencies blocks it"]
        return self._said(Cause.NOT_STARTED, lines, f"`sbxcompose up {self._label}` starts it")


def _past(row: ObservedRow) -> Iterator[str]:
    """Yield how often it was restarted, and what ended the run before."""
    if row.restarts:
        last = f", the last time after it {row.exit}" if row.exit is not None else ""
        yield f"it was restarted {counted(row.restarts, 'time')}{last}"
