"""Who depends on whom: names resolved to processes, what cannot be so, and what is wanted because of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sbxcompose.errors import Mistake
from sbxcompose.similar import did_you_mean
from sbxcompose.spec.graph import find_cycles
from sbxcompose.spec.locations import Places
from sbxcompose.spec.need_models import DependencyModel
from sbxcompose.spec.process_models import ProcessModel
from sbxcompose.spec.project import Condition, Dependency
from sbxcompose.spec.values import Path

Address = tuple[str, str]
"""Sandbox and process."""


_MAX_SUGGESTIONS = 20
"""Looking for similar names among a thousand takes up to 30 ms each time; more suggestions are not read."""


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process of the file: where it stands, and whether one of its profiles is active."""

    model: ProcessModel
    path: Path
    active: bool


class Needs:
    """Resolves `depends_on` of every process; mistakes are added to `mistakes`."""

    def __init__(self, entries: Mapping[Address, ProcessEntry], places: Places, mistakes: list[Mistake]) -> None:
        self._entries = entries
        self._places = places
        self._mistakes = mistakes
        self._suggestions = 0
        self._holders: dict[str, list[str]] = {}
        self._names: dict[str, list[str]] = {}
        for sandbox, process in entries:
            self._holders.setdefault(process, []).append(sandbox)
            self._names.setdefault(sandbox, []).append(process)

    def resolve(self) -> dict[Address, tuple[Dependency, ...]]:
        """Return the dependencies of every process."""
        resolved = {address: tuple(self._of(address, entry)) for address, entry in self._entries.items()}
        self._refuse_cycles(resolved)
        return resolved

    def _of(self, address: Address, entry: ProcessEntry) -> Iterable[Dependency]:
        for name, need in entry.model.depends_on.items():
            path = (*entry.path, "depends_on", name)
            target = self._target(address, name, path)
            if target is not None:
                self._check(target, need, path)
                restart = need.restart or self._entries[target].model.restart_dependents
                yield Dependency(*target, Condition(need.condition), restart, need.required)

    def _target(self, address: Address, name: str, path: Path) -> Address | None:
        sandbox, slash, process = name.rpartition("/")
        target = (sandbox if slash else address[0], process)
        if target in self._entries:
            return target
        self._wrong(path, f"no process is named `{name}`", self._suggestion(address, name))
        return None

    def _suggestion(self, address: Address, name: str) -> str | None:
        process = name.rpartition("/")[2]
        elsewhere = self._holders.get(process, [])
        if elsewhere:
            return f"did you mean `{elsewhere[0]}/{process}`?"
        self._suggestions += 1
        if self._suggestions > _MAX_SUGGESTIONS:
            return None
        known = self._names[address[0]]
        listed = ", ".join(f"`{name}`" for name in known[:12]) + (", …" if len(known) > 12 else "")
        return did_you_mean(name, known[:1000], f"known here: {listed}")

    def _check(self, target: Address, need: DependencyModel, path: Path) -> None:
        other = self._entries[target]
        self._check_end(target, other.model, need, path)

    def _check_end(self, target: Address, other: ProcessModel, need: DependencyModel, path: Path) -> None:
        """Refuse to wait for an end that cannot come."""
        name, restart = target[1], other.restart
        if other.stop_all_on is not None and "restart" not in other.model_fields_set:
            return
        if need.condition in ("completed", "ended") and restart.policy == "always":
            verb = "completes" if need.condition == "completed" else "ends"
            message = f"`{name}` never {verb}: it is always restarted"
            self._wrong(path, message, f"give `{name}` the policy `on_failure` or `never`")
        elif need.condition == "ended" and restart.tries_for_ever:
            message = f"`{name}` is restarted until it succeeds, so it never ends with a failure"
            self._wrong(path, message, f"give `{name}` the key `restart: never`, or `max_restarts`")

    def _refuse_cycles(self, resolved: Mapping[Address, tuple[Dependency, ...]]) -> None:
        graph = {address: [(need.sandbox, need.process) for need in needs] for address, needs in resolved.items()}
        for cycle in find_cycles(graph):
            path = (*self._entries[cycle[0]].path, "depends_on")
            same = len({sandbox for sandbox, _ in cycle}) == 1
            names = [process if same else f"{sandbox}/{process}" for sandbox, process in [*cycle, cycle[0]]]
            if len(names) == 2:
                self._wrong(path, f"`{names[0]}` depends on itself", None)
                continue
            shown = names if len(names) <= 12 else [*names[:6], "…", *names[-5:]]
            self._wrong(path, f"dependency cycle: {' -> '.join(shown)}", "remove one of these dependencies")

    def _wrong(self, path: Path, message: str, hint: str | None) -> None:
        self._mistakes.append(self._places.mistake(path, message, hint, on_key=path[-1] != "depends_on"))


def wanted_of(
    entries: Mapping[Address, ProcessEntry],
    needs: Mapping[Address, tuple[Dependency, ...]],
    scale: Mapping[Address, int],
) -> set[Address]:
    """Return the processes to run unless others are named: of active profiles, without those of `autostart: false`.

    One of these is wanted too where a wanted process requires it, or `scale` asks for replicas.
    """
    waiting = [
        address
        for address, entry in entries.items()
        if entry.active and (entry.model.autostart or scale.get(address, 0) > 0)
    ]
    wanted = set(waiting)
    while waiting:
        for need in needs[waiting.pop()]:
            address = (need.sandbox, need.process)
            if need.required and address not in wanted and entries[address].active:
                wanted.add(address)
                waiting.append(address)
    return wanted
