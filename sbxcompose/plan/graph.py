"""The processes of a project with numbers instead of names, in dependency order: all else is linear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from sbxcompose.errors import SpecError
from sbxcompose.spec.project import Condition, Process, Project, RestartPolicy


class Edge(NamedTuple):
    """A need: which process, what it must have reached, whether its restart restarts the dependent.

    One that is not `required` does not make that process wanted.
    """

    node: int
    condition: Condition
    restart: bool
    required: bool = True


class Graph:
    """All processes of a project, the inactive ones too; a need's number is smaller than its dependents'.

    Raises `SpecError` when there is a dependency cycle (reading a file has refused that before).
    """

    def __init__(self, project: Project) -> None:
        given = [*project.processes(), *project.inactive]
        active = len(given) - len(project.inactive)
        index = _index(given)
        order = _dependency_order(given, index)
        is_as_given = isinstance(order, range)
        self.processes: list[Process] = given if is_as_given else [given[old] for old in order]
        self.active: list[bool] = [old < active for old in order]
        self.index = index if is_as_given else _index(self.processes)
        """The number of a process by its sandbox and name."""
        self.needs: list[list[Edge]] = [[] for _ in given]
        self.dependents: list[list[int]] = [[] for _ in given]
        self.job: list[bool] = [False] * len(given)
        """Whether a process is there to finish: another needs it completed or ended, and it may end."""
        self.any_end: list[bool] = [False] * len(given)
        """Whether dependents wait for its end only, not for its success."""
        for node, process in enumerate(self.processes):
            if process.depends_on:
                self._connect(node, process)

    def _connect(self, node: int, process: Process) -> None:
        for need in process.depends_on:
            other = self.index.get((need.sandbox, need.process))
            if other is None:
                continue
            self.needs[node].append(Edge(other, need.condition, need.restart, need.required))
            self.dependents[other].append(node)
            if need.condition in (Condition.COMPLETED, Condition.ENDED):
                first = not self.job[other]
                self.job[other] = self.processes[other].restart.policy is not RestartPolicy.ALWAYS
                self.any_end[other] = need.condition is Condition.ENDED and (first or self.any_end[other])

    def condition(self, node: int, asked: Condition = Condition.READY) -> Condition:
        """Return what `asked` comes down to for a process.

        Ready means: its check succeeds, if it has one; completed, for a job; else started.
        """
        if asked is not Condition.READY:
            return asked
        process = self.processes[node]
        if process.ready_when is not None or process.health_check is not None:
            return Condition.READY
        return Condition.COMPLETED if self.job[node] else Condition.STARTED

    def wants(self, edge: Edge) -> bool:
        """Whether the dependent brings the needed process up with it, and waits for it whatever else is wanted."""
        return edge.required or self.active[edge.node]

    def closure(self, roots: Iterable[int]) -> set[int]:
        """`roots` and all that they need, near or far."""
        reached = set(roots)
        waiting = list(reached)
        while waiting:
            for edge in self.needs[waiting.pop()]:
                if edge.node not in reached and self.wants(edge):
                    reached.add(edge.node)
                    waiting.append(edge.node)
        return reached


def _index(processes: Sequence[Process]) -> dict[tuple[str, str], int]:
    return {(process.sandbox, process.name): node for node, process in enumerate(processes)}


def _dependency_order(processes: Sequence[Process], index: Mapping[tuple[str, str], int]) -> Sequence[int]:
    """Needs first; otherwise as in the file: a range if that has them so, as people write it."""
    arrows = [
        (other, node)
        for node, process in enumerate(processes)
        for need in process.depends_on
        if (other := index.get((need.sandbox, need.process))) is not None
    ]
    if all(other < node for other, node in arrows):
        return range(len(processes))
    dependents: list[list[int]] = [[] for _ in processes]
    missing = [0] * len(processes)
    for other, node in arrows:
        dependents[other].append(node)
        missing[node] += 1
    order = in_order(dependents, missing)
    if len(order) < len(processes):
        circle = [process.address for process, count in zip(processes, missing, strict=True) if count]
        raise SpecError(f"dependency cycle among {', '.join(circle[:10])}")
    return order


def in_order(followers: Sequence[Sequence[int]], missing: list[int]) -> list[int]:
    """Kahn's algorithm that takes the smallest free number first.

    `missing` says how many each number comes after, and is used up; what lies on a circle keeps a count.
    """
    free = [node for node, count in enumerate(missing) if count == 0]  # ascending: a heap already
    order = []
    while free:
        node = heappop(free)
        order.append(node)
        for follower in followers[node]:
            missing[follower] -= 1
            if missing[follower] == 0:
                heappush(free, follower)
    return order
