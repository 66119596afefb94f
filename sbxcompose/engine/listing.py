"""What is wanted beside what is observed, an entry an instance: what `ps` shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from sbxcompose.errors import UnknownName
from sbxcompose.plan.graph import Graph
from sbxcompose.plan.names import ProcessNames, is_pattern, matches
from sbxcompose.plan.observed import Instance, Observed, ObservedRow, SandboxState, StartFailure
from sbxcompose.plan.stability import ready_now
from sbxcompose.spec.project import Process, Project

if TYPE_CHECKING:
    from sbxcompose.engine.session import Session


class ListedInstance(Struct, frozen=True):
    """One instance: wanted (`process`), observed (`row`), or both. `label` is what people call it."""

    instance: Instance
    label: str
    process: Process | None
    row: ObservedRow | None
    asleep: bool = False
    """Its sandbox is suspended, and does not tell what is suspended in it."""
    ready: bool | None = None
    """Whether it is ready; None if that is unknown."""
    failure: StartFailure | None = None
    """Its latest start, if that failed."""

    @property
    def outdated(self) -> bool:
        """It runs, but not as the file says now."""
        row, process = self.row, self.process
        return row is not None and process is not None and row.live and row.digest != process.digest

    def is_called(self, name: str) -> bool:
        """Return whether people may call it so, whatever the file says."""
        return name in (self.label, self.instance.process)


def listing(project: Project, observed: Observed, *, everything: bool) -> list[ListedInstance]:
    """Wanted instances in file order, then orphans that live.

    `everything`: also finished set-up commands, processes of inactive profiles, and orphans that have ended.
    """
    names = ProcessNames(project, observed)
    rows = newest_rows(observed)
    suspended = {sandbox.name for sandbox in observed.sandboxes if sandbox.state is SandboxState.SUSPENDED}
    entries: dict[Instance, ListedInstance] = {}
    wanted = [*project.processes(), *(project.inactive if everything else ())]
    for process in wanted:
        for replica in range(1, process.replicas + 1):
            instance = Instance(process.sandbox, process.name, replica)
            row = rows.get(instance)
            if everything or not process.name.startswith("@") or row is None or not row.completed:
                asleep = row is None and process.sandbox in suspended
                failure = observed.failure(instance)
                entries[instance] = ListedInstance(
                    instance, names.instance(instance), process, row, asleep, failure=failure
                )
    hidden = {(process.sandbox, process.name): process for process in project.every_process()}
    for instance, row in rows.items():
        if instance not in entries and (row.live or everything):
            process_ = hidden.get((instance.sandbox, instance.process))
            if not (process_ and row.completed and not everything):
                entries[instance] = ListedInstance(instance, names.instance(instance), process_, row)
    return list(entries.values())


def named_listing(
    project: Project, observed: Observed, names: Collection[str], *, everything: bool = False
) -> list[ListedInstance]:
    """Return the entries of `listing` with one of these names, all if there are none; orphans have the name they were
    started with. A pattern means what is not listed without `everything` only if it matches nothing else.

    Raises as `ProcessNames.resolve_all`.
    """
    usual = listing(project, observed, everything=everything)
    if not names:
        return usual
    listed = usual if everything else listing(project, observed, everything=True)
    known, found = ProcessNames(project), dict[Instance, ListedInstance]()
    for name in names:
        if is_pattern(name):
            called = _matching(usual, name) or _matching(listed, name)
            if not called:
                raise known.no_match(name)
            found.update((entry.instance, entry) for entry in called)
            continue
        called = [entry for entry in listed if entry.is_called(name)]
        try:
            target = known.resolve(name)
            called = [entry for entry in listed if target.covers(entry.instance)]
        except UnknownName:
            if not called:
                raise
        found.update((entry.instance, entry) for entry in called)
    return [entry for entry in listed if entry.instance in found]


def _matching(entries: Iterable[ListedInstance], pattern: str) -> list[ListedInstance]:
    return [entry for entry in entries if matches(entry.instance, pattern)]


async def readiness_of(session: Session, entries: Iterable[ListedInstance]) -> Mapping[Instance, bool | None]:
    """Find out whether the entries with a `ready_when` are ready, as far as that can be had quickly."""
    unseen = {entry.instance for entry in entries if entry.process is not None and entry.process.ready_when is not None}
    if not unseen:
        return {}
    from sbxcompose.engine.ready_now import probe_readiness

    return await probe_readiness(session, unseen.__contains__)


def with_readiness(
    entries: Iterable[ListedInstance], project: Project, seen: Mapping[Instance, bool | None], now: float
) -> list[ListedInstance]:
    """Return the entries with `ready`; `seen` is what has been found out, as `ready_look` has it."""
    graph = Graph(project)

    def ready(entry: ListedInstance) -> bool | None:
        node = graph.index.get((entry.instance.sandbox, entry.instance.process))
        job = node is not None and graph.job[node]
        any_end = node is not None and graph.any_end[node]
        return ready_now(entry.process, job, entry.row, seen.get(entry.instance), now, any_end=any_end)

    return [replace(entry, ready=ready(entry)) for entry in entries]


def newest_rows(observed: Observed) -> dict[Instance, ObservedRow]:
    """Return the row that counts for each instance: the newest live one, else the newest."""
    found: dict[Instance, ObservedRow] = {}
    for sandbox in observed.sandboxes:
        for row in sandbox.rows:
            before = found.get(row.instance)
            if before is None or row.live or not before.live:
                found[row.instance] = row
    return found
