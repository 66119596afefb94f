"""Which row a managed name means, and that an instance has at most one live run."""

from __future__ import annotations

from sbxcompose.api.models import StartRequest
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.names import parse_name

InstanceKey = tuple[str, int]
"""The process and replica that a managed name carries."""


class RowNames:
    """The named rows of one sandbox. A name is taken when a start is recorded, before the run is there."""

    def __init__(self) -> None:
        self._holders: dict[str, SupervisedProcess] = {}
        self._former: dict[int, SupervisedProcess] = {}
        """The ended rows whose name a starting one has, by the id of that one."""
        self._successors: dict[int, int] = {}
        """The id of the starting row by that of the ended one."""
        self._instances: dict[InstanceKey, dict[int, SupervisedProcess]] = {}

    def find(self, name: str) -> SupervisedProcess | None:
        """Return the row that has the name: the one that is being started, if there is one."""
        return self._holders.get(name)

    def check(self, request: StartRequest) -> None:
        """Refuse a start that would give a name two live rows, or an instance two live runs. Raises `Problem` (409)."""
        if request.name is not None:
            self._refuse_second(request.name, None, request.replaces)

    def check_restart(self, process: SupervisedProcess) -> None:
        """Refuse a new run of an ended row while its instance has another live one. Raises `Problem` (409)."""
        if process.request.name is not None and not process.live:
            self._refuse_second(process.request.name, process, [])

    def _refuse_second(self, name: str, this: SupervisedProcess | None, replaced: list[str]) -> None:
        for other in self._rivals(name):
            rival = other.request.name
            if other is this or not other.live or rival is None:
                continue
            if rival == name:
                raise _conflict(f"a process named {name} is already running", "ALREADY_EXISTS", name)
            if rival not in replaced:
                raise _conflict(f"{rival} is a live run of the same process", "INSTANCE_RUNNING", rival)

    def _rivals(self, name: str) -> list[SupervisedProcess]:
        """Return the row that has the name, and all of the same instance."""
        holder, instance = self._holders.get(name), _instance_of(name)
        rows = self._instances.get(instance, {}).values() if instance is not None else ()
        return [*rows] if holder is None or holder in rows else [holder, *rows]

    def take(self, process: SupervisedProcess) -> None:
        """Reserve the name of a row; an ended row that has it stays until the new one runs."""
        name = process.request.name
        if name is None:
            return
        if name in self._holders:
            former = self._holders[name]
            self._former[process.record.id] = former
            self._successors[former.record.id] = process.record.id
        self._holders[name] = process
        instance = _instance_of(name)
        if instance is not None:
            self._instances.setdefault(instance, {})[process.record.id] = process

    def former(self, process: SupervisedProcess) -> SupervisedProcess | None:
        """Return the ended row that had the name of a starting one before, and forget that it had."""
        former = self._former.pop(process.record.id, None)
        if former is not None:
            self._successors.pop(former.record.id, None)
        return former

    @property
    def superseded(self) -> frozenset[int]:
        """The ids of ended rows whose name a starting one has."""
        return frozenset(row.record.id for row in self._former.values())

    def starting(self) -> list[int]:
        """Return the ids of the rows that have taken their name from an ended one."""
        return list(self._former)

    def give_back(self, process: SupervisedProcess) -> SupervisedProcess | None:
        """Give the name of a failed start to the row that had it before, and return that."""
        former = self.former(process)
        self.forget(process)
        if former is not None and former.request.name is not None:
            self._holders[former.request.name] = former
        return former

    def forget(self, process: SupervisedProcess) -> None:
        """Forget a row."""
        name = process.request.name
        if name is None:
            return
        successor = self._successors.pop(process.record.id, None)
        if successor is not None:
            self._former.pop(successor, None)
        if self._holders.get(name) is process:
            del self._holders[name]
        instance = _instance_of(name)
        if instance is not None and (rows := self._instances.get(instance)) is not None:
            rows.pop(process.record.id, None)
            if not rows:
                del self._instances[instance]


def _instance_of(name: str) -> InstanceKey | None:
    parsed = parse_name(name)
    return None if parsed is None else parsed[:2]


def _conflict(words: str, code: str, holder: str) -> Problem:
    """Return a refusal that says whose run is in the way; an ended row never is."""
    return Problem(409, words, code, more={"live": True, "holder": holder})
