"""How long a bring-up took, and why: when each instance was started and ready, and the chain that took longest. Pure.

Of what an instance waits for, what became ready last is what it waited for. Followed back from the instance that was
ready last, that is the critical path: only what is on it makes the whole faster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from msgspec import Struct

from sbxcompose.plan.graph import Graph
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.stability import STABLE_AFTER
from sbxcompose.spec.project import Condition, Project


class Moments(Struct, frozen=True):
    """When an instance was started, and when it was ready or had completed (None: not yet, or unknown)."""

    started: float
    ready: float | None = None
    ended: float | None = None
    """When it ended by itself, not to be restarted."""
    failed_early: bool = False
    """Its latest run failed before it was stable."""
    restarted: float | None = None
    """When the run began that followed such a failure; None without one."""


class Timing(Struct, frozen=True):
    """One instance, in seconds after the beginning; `after` is the name of what it waited for last."""

    instance: Instance
    label: str
    started: float
    ready: float | None
    after: str | None = None
    ended: float | None = None
    given_up: float | None = None
    """When it ended, or else the bring-up failed, without its having been ready."""

    @property
    def lasted(self) -> float | None:
        """Seconds from its start until it ended by itself, or else until it was ready or the bring-up failed."""
        until = next((moment for moment in (self.ended, self.ready, self.given_up) if moment is not None), None)
        return None if until is None else max(until - self.started, 0.0)

    @property
    def last_moment(self) -> float:
        """When it was ready, or else given up; its start if neither is known."""
        return next(moment for moment in (self.ready, self.given_up, self.started) if moment is not None)

    @property
    def took(self) -> float | None:
        """Seconds from its start until it was ready."""
        return None if self.ready is None else max(self.ready - self.started, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return the timing for a program."""
        return {
            "name": self.label,
            **self.instance.to_json(),
            "started": round(self.started, 3),
            "ready": _rounded(self.ready),
            "after": self.after,
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


class CriticalSegment(Struct, frozen=True):
    """A part of the critical path: for how long an instance kept what comes after it waiting; None: it never ended.

    `settling`: it has no check, and counts as ready once a run has lasted. `unready`: it was not ready by then.
    """

    instance: Instance
    label: str
    seconds: float | None
    settling: bool = False
    unready: bool = False


class Timings(Struct, frozen=True):
    """All instances in the order of their starts, and the critical path."""

    all: tuple[Timing, ...]
    path: tuple[CriticalSegment, ...]

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def total(self) -> float:
        """Seconds until the last one was ready, or the bring-up failed; until its start if neither is known."""
        return max((timing.last_moment for timing in self.all), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """Return the timings for a program."""
        return {
            "seconds": round(self.total, 3),
            "processes": [timing.to_json() for timing in self.all],
            "critical_path": [{"name": part.label, "seconds": _rounded(part.seconds)} for part in self.path],
        }


def timings(
    project: Project, moments: Mapping[Instance, Moments], began: float, failed_at: float | None = None
) -> Timings:
    """Return what became of the instances that a bring-up has started, which began at `began`.

    One that failed says when: what was not ready by then is not ready.
    """
    return _Timings(project, moments, began, failed_at).result()


class _Timings:
    def __init__(
        self, project: Project, moments: Mapping[Instance, Moments], began: float, failed_at: float | None
    ) -> None:
        self._graph = Graph(project)
        self._names = ProcessNames(project)
        self._began = began
        self._failed_at = failed_at
        self._moments = {i: known for i, known in moments.items() if (i.sandbox, i.process) in self._graph.index}
        self._by_node: dict[int, list[Instance]] = {}
        for instance in self._moments:
            self._by_node.setdefault(self._node(instance), []).append(instance)
        self._blocking = {instance: self._last_need(instance) for instance in self._moments}

    def result(self) -> Timings:
        every = sorted(map(self._timing, self._moments), key=lambda timing: (timing.started, timing.label))
        return Timings(tuple(every), tuple(self._stretches(self._path())))

    def _stretches(self, path: list[Instance]) -> Iterator[CriticalSegment]:
        for instance, following in zip_longest(path, path[1:]):
            started = self._moments[instance].started
            ready, given_up = self._ready(instance), self._given_up(instance)
            end = (given_up if ready is None else ready) if following is None else self._moments[following].started
            settling = following is None and ready is not None and self._settles(instance)
            unready = following is None and given_up is not None
            label = self._names.instance(instance)
            yield CriticalSegment(instance, label, None if end is None else max(end - started, 0.0), settling, unready)

    def _node(self, instance: Instance) -> int:
        return self._graph.index[instance.sandbox, instance.process]

    def _timing(self, instance: Instance) -> Timing:
        need = self._blocking[instance]
        return Timing(
            instance,
            self._names.instance(instance),
            self._moments[instance].started - self._began,
            self._since_began(self._ready(instance)),
            None if need is None else self._names.instance(need),
            self._since_began(self._in_time(self._moments[instance].ended)),
            self._since_began(self._given_up(instance)),
        )

    def _since_began(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self._began

    def _in_time(self, moment: float | None) -> float | None:
        """Return a moment, or None if the bring-up had failed by then."""
        return None if moment is not None and self._failed_at is not None and moment > self._failed_at else moment

    def _settles(self, instance: Instance) -> bool:
        """Return whether it is ready once a run has lasted."""
        return self._graph.condition(self._node(instance)) is Condition.STARTED

    def _ready(self, instance: Instance) -> float | None:
        """Return when an instance was ready; one without a check is once a run has lasted, or ended well."""
        known = self._moments[instance]
        return self._in_time(_stable(known) if self._settles(instance) else known.ready)

    def _given_up(self, instance: Instance) -> float | None:
        """Return when an instance that was not ready had ended, or else when the bring-up failed."""
        if self._ready(instance) is not None:
            return None
        ended = self._in_time(self._moments[instance].ended)
        return self._failed_at if ended is None else ended

    def _reached(self, instance: Instance, asked: Condition) -> float | None:
        """Return when what others need of an instance was so: dependents rely on a start at once."""
        known = self._moments[instance]
        return known.started if self._graph.condition(self._node(instance), asked) is Condition.STARTED else known.ready

    def _last_need(self, instance: Instance) -> Instance | None:
        """Return which of its needs was fulfilled last, among those that were started."""
        started = self._moments[instance].started
        found: list[tuple[float, Instance]] = []
        for edge in self._graph.needs[self._node(instance)]:
            for need in self._by_node.get(edge.node, ()):
                ready = self._reached(need, edge.condition)
                # It has been ready by then; a start is only recorded once it has been answered.
                found.append((started if ready is None else min(ready, started), need))
        return max(found, default=(0.0, None), key=lambda entry: entry[0])[1]

    def _path(self) -> list[Instance]:
        """Return the instances from the first that was started to the one that was ready last, or never.

        What ended without being ready is why a bring-up failed; what was still starting then need not be.
        """
        if not self._moments:
            return []

        def end(instance: Instance) -> tuple[bool, bool, float]:
            ready, given_up, known = self._ready(instance), self._given_up(instance), self._moments[instance]
            moment = next(moment for moment in (ready, given_up, known.started) if moment is not None)
            return given_up is not None and known.ended is not None, given_up is not None, moment

        last: Instance | None = max(self._moments, key=end)
        path: list[Instance] = []
        while last is not None and last not in path:
            path.append(last)
            last = self._blocking[last]
        return path[::-1]


def _stable(known: Moments) -> float | None:
    """Return when a run without a check had lasted, or had ended well before."""
    if known.failed_early:
        return None
    stable = (known.started if known.restarted is None else known.restarted) + STABLE_AFTER
    return stable if known.ended is None else min(stable, known.ended)
