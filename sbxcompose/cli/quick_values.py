"""The values that a parameter can have, for completion. Imports what a source needs when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from sbxcompose.cli import quick_names

Answer = tuple[str, str, str]
"""Of which type it is (`plain`, `file`, `dir`), the value, and what it means."""
GLOBAL_OPTIONS = {
    "--file": "files",
    "--project-name": "project_name",
    "--project-directory": "project_directory",
    "--profile": "profiles",
    "--env-file": "env_files",
    "--provider": "provider",
}
"""The options that say which project is meant, with the names that `GlobalOptions` has for them."""
_MAX_RUNS = 50
"""How many runs are offered at once: more fill the screen, and a digit of the number leads to the others."""


_MAX_REPLICAS = 20
"""Of how many replicas the names are offered beside those of other processes."""


class ValueRequest:
    """What is known of the line besides the word that is completed."""

    def __init__(self, options: Mapping[str, object], taken: Iterable[str], names: Iterable[str]) -> None:
        self.options = options
        """Global options, as `GlobalOptions` has them."""
        self.taken = tuple(taken)
        """Values which the same parameter has been given before."""
        self.names = tuple(names)
        """The processes that are named so far."""

    def known(self, kind: str) -> list[str]:
        """Return what the project has of that kind, without doubles."""
        return list(dict.fromkeys(quick_names.facts(self.options).get(kind, ())))


def values(source: str, incomplete: str, request: ValueRequest) -> list[Answer]:
    """Return the values of a parameter that begin with `incomplete`."""
    source, *words = source.split(" ")
    if source == "choice":
        return _plain(words, incomplete)
    make = _SOURCES.get(source)
    return [] if make is None else make(incomplete, request)


def _plain(found: Iterable[str], incomplete: str) -> list[Answer]:
    return [("plain", value, "") for value in found if value.startswith(incomplete)]


def _of(*kinds: str, suffix: str = "") -> Callable[[str, ValueRequest], list[Answer]]:
    """Return a source of names of the project."""

    def source(incomplete: str, request: ValueRequest) -> list[Answer]:
        known = dict.fromkeys(name for kind in kinds for name in request.known(kind))
        if "process" in kinds and incomplete and suffix != "=":
            known.update(dict.fromkeys(_replicas(incomplete, request)))
        taken = () if suffix else request.taken
        return _plain([f"{name}{suffix}" for name in known if name not in taken], incomplete)

    return source


def _replicas(incomplete: str, request: ValueRequest) -> Iterator[str]:
    """Yield the names of replicas; of many, once the process is named and a dot follows."""
    for line in request.known("replicas"):
        name, _, count = line.partition(" ")
        if incomplete.startswith(f"{name}.") or int(count) <= _MAX_REPLICAS:
            yield from (f"{name}.{number}" for number in range(1, int(count) + 1))


def _place_or_file(incomplete: str, request: ValueRequest) -> list[Answer]:
    place, colon, _ = incomplete.partition(":")
    if place and "/" not in place:
        names = _of("process", "sandbox", suffix=":")(place, request)
        if names:
            return [] if colon else names  # what a sandbox has is not known here
    return [("file", incomplete, "")]


def _signals(incomplete: str, request: ValueRequest) -> list[Answer]:
    from sbxcompose.signals import BY_NAME, name_of

    names = (name.removeprefix("SIG") for name, number in BY_NAME.items() if name == name_of(number))
    return _plain(names, incomplete.upper())


def _filters(incomplete: str, request: ValueRequest) -> list[Answer]:
    from sbxcompose.client.process_state import choices

    key, equals, _ = incomplete.partition("=")
    found = [f"{key}={word}" for word in choices(key)] if equals else [f"{name}=" for name in choices()]
    return _plain(found, incomplete)


def _runs(incomplete: str, request: ValueRequest) -> list[Answer]:
    """Return the numbers of runs whose output is kept, the latest first."""
    from sbxcompose.engine.local_host.supported import is_linux

    folder = request.known("folder")
    if not is_linux() or not folder:
        return []
    from sbxcompose.engine.local_host.recorded_runs import recorded_runs

    parts = (line.partition(" ") for line in request.known("local"))
    sandboxes = {full_name: name for name, _, full_name in parts}
    found = recorded_runs(sandboxes, folder[0], os.environ)
    numbers = {
        run
        for (sandbox, process, replica), runs in found.items()
        if not request.names or any(_is_meant(name, sandbox, process, replica) for name in request.names)
        for run in runs
    }
    return _plain(map(str, sorted(numbers, reverse=True)), incomplete)[:_MAX_RUNS]


def _is_meant(text: str, sandbox: str, process: str, replica: int) -> bool:
    """Return whether a name or pattern means an instance."""
    names = [f"{place}{process}{number}" for place in ("", f"{sandbox}/") for number in ("", f".{replica}")]
    if text in names:
        return True
    if not any(char in text for char in "*?["):
        return False
    from fnmatch import fnmatchcase

    return any(fnmatchcase(name, text) for name in names)


_SOURCES: dict[str, Callable[[str, ValueRequest], list[Answer]]] = {
    "processes": _of("process"),
    "sandboxes": _of("sandbox"),
    "places": _of("process", "sandbox"),
    "profiles": _of("profile"),
    "scales": _of("process", suffix="="),
    "place_or_file": _place_or_file,
    "files": lambda incomplete, request: [("file", incomplete, "")],
    "directories": lambda incomplete, request: [("dir", incomplete, "")],
    "signals": _signals,
    "filters": _filters,
    "runs": _runs,
}
