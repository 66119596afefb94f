"""What people call a process: `web`, `app/web` where two sandboxes have one, `web.2` for a replica, `setup:1` for the
first command of `setup`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from msgspec import Struct

from sbxcompose.errors import UnknownName, UnknownPattern, UnknownReplica, UsageError
from sbxcompose.plan.observed import Instance, Observed
from sbxcompose.spec.project import Process, Project

_LISTED = 20
_SUGGESTED = 3
"""A file that defines more processes than this is not recited; close matches are."""
_SETUP, _SETUP_SHOWN = re.compile(r"@setup([0-9]+)"), re.compile(r"setup:([0-9]+)")


def shown_name(process: str) -> str:
    """Return what people call a process: `@setup1` is `setup:1`, which no process of a file can be called."""
    if not process.startswith("@"):
        return process
    found = _SETUP.fullmatch(process)
    return process if found is None else f"setup:{found[1]}"


def is_pattern(text: object) -> bool:
    """Return whether a name is a pattern of the shell: it has `*`, `?` or `[`, which no name has."""
    return isinstance(text, str) and any(char in text for char in "*?[")


def matches(instance: Instance, pattern: str) -> bool:
    """Return whether a pattern matches a name of an instance or of its process, with or without the sandbox."""
    name = shown_name(instance.process)
    numbered = f"{name}.{instance.replica}"
    called = (name, f"{instance.sandbox}/{name}", numbered, f"{instance.sandbox}/{numbered}")
    return any(fnmatchcase(text, pattern) for text in called)


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
        self._active = list(project.processes())
        self._processes = [*self._active, *project.inactive]
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

    def include(self, instances: Iterable[Instance]) -> bool:
        """Give the first replica a number, too, where one of these is a further one, whatever the file says now.

        Return whether names have changed by that.
        """
        further = {(instance.sandbox, instance.process) for instance in instances if instance.replica > 1}
        changed = not further <= self._several
        self._several |= further
        return changed

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

    def resolve_all(self, text: str) -> list[Target]:
        """Return what a name or a pattern such as `api/*` means.

        A pattern means processes that start by themselves or run. Only if it matches none of these it means others: of
        inactive profiles, with `autostart: false`, and commands of `setup`. Raises as `resolve`.
        """
        if not is_pattern(text):
            return [self.resolve(text)]
        usual = [process for process in self._active if not process.name.startswith("@")]
        found = [*_matching(usual, text), *(_target(row) for row in self._live if matches(row, text))]
        if found := found or list(_matching(self._processes, text)):
            return found
        raise self.no_match(text)

    def no_match(self, pattern: str) -> UnknownPattern:
        """Return the error for a pattern that matches no name."""
        return UnknownPattern("process", pattern, self.known)

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
        if not text:
            return UnknownName("process", text, (), hint="the name is empty: is a variable of the shell not set?")
        if "," in text:
            return UnknownName("process", text, (), hint="separate names by blanks")
        if is_pattern(text):
            return UnknownName("process", text, (), hint="one process is expected here, and not a pattern")
        inside = [self.process(text, process.name) for process in self._processes if process.sandbox == text]
        if inside:
            listed = f" ({', '.join(f'`{name}`' for name in inside)})" if len(inside) <= _LISTED else ""
            whole = f"`{text}` is a sandbox; `{text}/*` means its processes{listed}"
            return UnknownName("process", text, (), hint=whole)
        return UnknownName("process", text, self.known, near=self._near(text))

    def _near(self, text: str) -> list[str]:
        """Return the names that `text` may be a slip of, be it in the name of the sandbox."""
        from sbxcompose.similar import similar  # imported late: only this message needs it

        sandbox, _, rest = text.rpartition("/")
        name = rest.partition(".")[0]
        places: dict[str, list[str]] = {}
        for place, process in sorted(
            {(row.sandbox, shown_name(row.process)) for row in self._live}.union(
                (process.sandbox, shown_name(process.name)) for process in self._processes
            )
        ):
            places.setdefault(process, []).append(place)
        near = [(place, process) for process in similar(name, places) for place in places[process]]
        inside = [address for address in near if sandbox in ("", address[0])]
        return [self.process(*address) for address in inside or near][:_SUGGESTED]


def _has(process: Process, replica: str) -> bool:
    return replica.isascii() and replica.isdecimal() and 1 <= int(replica[:6]) <= process.replicas


def _matching(processes: Iterable[Process], pattern: str) -> Iterator[Target]:
    """Yield the processes that a pattern matches, or those of their replicas (`*.2`)."""
    for process in processes:
        name = shown_name(process.name)
        if fnmatchcase(name, pattern) or fnmatchcase(f"{process.sandbox}/{name}", pattern):
            yield Target(process.sandbox, process.name)
            continue
        for replica in range(1, process.replicas + 1):
            if matches(Instance(process.sandbox, process.name, replica), pattern):
                yield Target(process.sandbox, process.name, replica)


def _target(instance: Instance) -> Target:
    return Target(instance.sandbox, instance.process, instance.replica)


def resolve_all(project: Project, texts: Iterable[str], observed: Observed | None = None) -> frozenset[Target] | None:
    """Return the targets that the arguments of a command name; None, which means all, if there are none.

    Raises as `ProcessNames.resolve_all`.
    """
    names = ProcessNames(project, observed)
    return frozenset(target for text in texts for target in names.resolve_all(text)) or None
