"""A project and what is observed of it, put side by side: which row belongs to which process, and which to
none.
"""

from __future__ import annotations

from collections.abc import Iterable

from sbxcompose.errors import UnknownName
from sbxcompose.plan.graph import Graph
from sbxcompose.plan.names import ProcessNames, Target
from sbxcompose.plan.observed import Foreign, LeftSandbox, Observed, ObservedRow, ObservedSandbox, SandboxState
from sbxcompose.plan.steps import PlanNote
from sbxcompose.plurals import counted
from sbxcompose.spec.project import Project

GONE = frozenset({SandboxState.MISSING, SandboxState.TERMINATED})
ASLEEP = frozenset({SandboxState.PENDING, SandboxState.SUSPENDED})

Replicas = dict[int, list[ObservedRow]]
"""The rows of one process by replica, the newest last."""


def left_text(left: LeftSandbox) -> str:
    """Say that a sandbox is where its file no longer has it, and how to end it."""
    cost = " --terminate" if left.provider != "local" else ""
    if left.running is None:
        what = f"may still exist at {left.provider}"
        aim = "ends it"
    else:
        what = f"still runs {counted(left.running, 'process')} at {left.provider}"
        aim = "stops it"
    if left.moved_to is None:
        return f"sandbox {left.name} is not in the file, and {what}; `sbxcompose down --remove-orphans{cost}` {aim}"
    way = f"`--provider {left.provider} down{cost}` {aim}"
    return f"sandbox {left.name} {what}, and the file has it at {left.moved_to} now; {way}"


class World:
    """Rows by process, in one pass. Rows of a sandbox that is gone, or not there yet, do not count."""

    def __init__(self, project: Project, observed: Observed) -> None:
        self.project = project
        self.observed = observed
        self.graph = Graph(project)
        self.names = ProcessNames(project, observed)
        self.sandboxes = {sandbox.name: sandbox for sandbox in project.sandboxes}
        self._seen = {sandbox.name: sandbox for sandbox in observed.sandboxes}
        self._rows: dict[tuple[str, str], Replicas] = {}
        self.orphans: list[ObservedRow] = []
        for sandbox in observed.sandboxes:
            if sandbox.state not in GONE and sandbox.state is not SandboxState.PENDING:
                self._take(sandbox)

    def _take(self, sandbox: ObservedSandbox) -> None:
        for row in sandbox.rows:
            key = (sandbox.name, row.instance.process)
            if key in self.graph.index:
                self._rows.setdefault(key, {}).setdefault(row.instance.replica, []).append(row)
            elif row.live:
                self.orphans.append(row)

    def seen(self, sandbox: str) -> ObservedSandbox:
        """Return the sandbox as observed; `MISSING` if it was not seen."""
        return self._seen.get(sandbox) or ObservedSandbox(sandbox, SandboxState.MISSING)

    def rows(self, node: int) -> Replicas:
        """Return all rows of a process."""
        process = self.graph.processes[node]
        return self._rows.get((process.sandbox, process.name), {})

    def live_rows(self, node: int) -> list[ObservedRow]:
        """Return the rows of a process that a supervisor holds, whatever their replica."""
        return [row for rows in self.rows(node).values() for row in rows if row.live]

    def label(self, node: int) -> str:
        """Return what people call a process."""
        process = self.graph.processes[node]
        return self.names.process(process.sandbox, process.name)

    def chosen(self, targets: frozenset[Target]) -> dict[int, set[int] | None]:
        """Return the processes that `targets` name, with the replicas meant (None: all). Raises `UnknownName`."""
        chosen: dict[int, set[int] | None] = {}
        for target in sorted(targets, key=lambda target: (target.sandbox, target.process, target.replica or 0)):
            node = self.graph.index.get((target.sandbox, target.process))
            if node is None:
                known = [self.label(number) for number in range(len(self.graph.processes))]
                raise UnknownName("process", f"{target.sandbox}/{target.process}", known)
            replicas = chosen.setdefault(node, set() if target.replica else None)
            if target.replica is None:
                chosen[node] = None
            elif replicas is not None:
                replicas.add(target.replica)
        return chosen

    def orphan_notes(self, orphans: Iterable[ObservedRow]) -> list[PlanNote]:
        """Return what runs, is no longer in the file, and stays."""
        return [
            PlanNote(
                "orphan",
                f"{self.names.instance(row.instance)} is not in the file; `--remove-orphans` stops it",
                row.instance.sandbox,
            )
            for row in orphans
        ]

    def left_notes(self, *, ends: bool = False) -> list[PlanNote]:
        """Return what may still run where the file no longer has it; nothing if the command `ends` that, too."""
        return [] if ends else [PlanNote("left", left_text(left), left.name) for left in self.observed.left]

    def one_offs(self, sandbox: str) -> list[Foreign]:
        """Return the commands of `run` and `exec` that run in a sandbox."""
        return [row for row in self.seen(sandbox).foreign if row.one_off]

    def foreign_notes(self, ends: frozenset[str] = frozenset(), *, one_offs: bool = True) -> list[PlanNote]:
        """Return what runs and is not in the file; in the sandboxes of `ends` it ends with its sandbox.

        `one_offs`: commands of `run` and `exec`, too.
        """
        notes = []
        for name in self.sandboxes:
            running = [row for row in self.seen(name).foreign if row.running]
            one_off = [row for row in running if row.one_off]
            found = []
            if one_off and one_offs:
                pids = ", ".join(str(row.pid) for row in one_off)
                found.append(f"{counted(len(one_off), 'one-off command')} of `run` or `exec` (pid {pids})")
            if count := len(running) - len(one_off):
                what = "1 process that was" if count == 1 else f"{count} processes that were"
                found.append(f"{what} not started from the file")
            consequence = "ends with it" if name in ends else "left alone"
            notes += [PlanNote("foreign", f"sandbox {name}: {words}, {consequence}", name) for words in found]
        return notes
