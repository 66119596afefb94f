"""What people call a process: `web`, `app/web` where two sandboxes have one, `web.2` for a replica, `setup:1` for the
first command of `setup`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from sbxcompose.errors import UnknownName, UnknownReplica, UsageError
from sbxcompose.plan.observed import Instance, Observed
from sbxcompose.spec.project import Process, Project

_LISTED = 20
"""A file that defines more processes than this is not recited; close matches are."""
_SETUP, _SETUP_SHOWN = re.compile(r"@setup([0-9]+)"), re.compile(r"setup:([0-9]+)")


def shown_name(process: str) -> str:
    """Return what people call a process: `@setup1` is `setup:1`, which no process of a file can be called."""
    if not process.startswith("@"):
        return process
    found = _SETUP.fullmatch(process)
    return process if found is None else f"setup:{found[1]}"


class Target(Struct, frozen=True):
    """A process named by the user; `replica` is None for all of its replicas."""

    sandbox: str
    process: str
    replica: int | None = None

    def covers(self, instance: Instance) -> bool:
        """Return whether the instance is meant."""
        return (instance.sandbox, instance.process) == (self.sandbox, self.process) and self.replica in (
            None,
            instance.replica,
        )


class ProcessNames:
    """The short names of a project's processes, and back. What is observed counts too: orphans have names."""

    def __init__(self, project: Project, observed: Observed | None = None) -> None:
        self._processes = [*project.processes(), *project.inactive]
        self._several: set[tuple[str, str]] = set()
        self._sandboxes: dict[str, str] = {}
        self._ambiguous: set[str] = set()
        for process in self._processes:
            self._meet(process.sandbox, process.name)
            if process.replicas > 1:
                self._several.add((process.sandbox, process.name))
        self._live: list[Instance] = []
        for sandbox in observed.sandboxes if observed else ():
            for row in sandbox.rows:
                self._meet(sandbox.name, row.instance.process)
                if row.live:
                    self._live.append(row.instance)
        self.include(self._live)

    def include(self, instances: Iterable[Instance]) -> None:
        """Give the first replica a number, too, where one of these is a further one, whatever the file says now."""
        further = (instance for instance in instances if instance.replica > 1)
        self._several.update((instance.sandbox, instance.process) for instance in further)

    @property
    def known(self) -> list[str]:
        """What people call the processes of the file."""
        return [self.process(process.sandbox, process.name) for process in self._processes]

    def _meet(self, sandbox: str, process: str) -> None:
        if self._sandboxes.setdefault(process, sandbox) != sandbox:
            self._ambiguous.add(process)

    def process(self, sandbox: str, process: str) -> str:
        """Return what people call the process."""
        name = shown_name(process)
        return f"{sandbox}/{name}" if process in self._ambiguous else name

    def instance(self, instance: Instance) -> str:
        """Return what people call the instance; the first replica has a number where there are several."""
        name = self.process(instance.sandbox, instance.process)
        if instance.replica > 1 or (instance.sandbox, instance.process) in self._several:
            return f"{name}.{instance.replica}"
        return name

    def resolve(self, text: str) -> Target:
        """Return the process that `text` names: one of the file, or else one that was observed running.

        Raises `UnknownName`, or `UsageError` when several sandboxes have a process of that name.
        """
        given: object = text
        if not isinstance(given, str):  # a list, passed by a program
            hint = "pass each name as an argument of its own: `up(*names)`"
            raise UsageError(f"a process name must be a string, not {type(given).__name__}", hint=hint)
        sandbox, slash, rest = text.rpartition("/")
        name, dot, replica = rest.partition(".")
        if (step := _SETUP_SHOWN.fullmatch(name)) is not None:
            name = f"@setup{step[1]}"
        places = [
            process.sandbox
            for process in self._processes
            if process.name == name
            and (not slash or process.sandbox == sandbox)
            and (not dot or _has(process, replica))
        ] or ([] if dot and not replica else self._running(sandbox, name, replica))
        if not places:
            raise self._unknown(text)
        if len(places) > 1:
            full = " and ".join(f"`{place}/{rest}`" for place in places)
            raise UsageError(f"`{text}` is in several sandboxes", hint=f"say which one: {full}")
        return Target(places[0], name, int(replica) if replica else None)

    def _running(self, sandbox: str, name: str, replica: str) -> list[str]:
        """Return the sandboxes in which a process of that name runs, whatever the file says."""
        found = [
            row.sandbox
            for row in self._live
            if row.process == name and sandbox in ("", row.sandbox) and replica in ("", str(row.replica))
        ]
        return list(dict.fromkeys(found))

    def _unknown(self, text: str) -> UnknownName:
        sandbox, slash, rest = text.rpartition("/")
        name, dot, _ = rest.partition(".")
        for process in self._processes if dot else ():
            if process.name == name and (not slash or process.sandbox == sandbox):
                return UnknownReplica(text, f"{sandbox}{slash}{name}", process.replicas)
        if "," in text:
            return UnknownName("process", text, (), hint="separate names by blanks")
        inside = [self.process(text, process.name) for process in self._processes if process.sandbox == text]
        if 0 < len(inside) <= _LISTED:
            listed = ", ".join(f"`{name}`" for name in inside)
            return UnknownName("process", text, (), hint=f"`{text}` is a sandbox; its processes: {listed}")
        known = self.known
        if len(known) <= _LISTED:
            return UnknownName("process", text, known)
        from sbxcompose.spec.similar import similar  # imported late: only this message needs it

        close = similar(text, known)
        hint = f"did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else None
        return UnknownName("process", text, (), hint=hint)


def _has(process: Process, replica: str) -> bool:
    return replica.isascii() and replica.isdecimal() and 1 <= int(replica[:6]) <= process.replicas


def resolve_all(project: Project, texts: Iterable[str], observed: Observed | None = None) -> frozenset[Target] | None:
    """Return the targets that the arguments of a command name; None, which means all, if there are none.

    Raises as `ProcessNames.resolve`.
    """
    names = ProcessNames(project, observed)
    return frozenset(names.resolve(text) for text in texts) or None
