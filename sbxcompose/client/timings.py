"""When instances were started and ready: taken from the events of a command, or from the record of an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sbxcompose.engine.events import BecameReady, EngineEvent, RowChanged, StepDone
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.steps import Await, Start
from sbxcompose.plan.timings import Moments


class TimingRecorder:
    """Takes note of starts and readiness while a command runs; `clock` is the command's, in seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started: dict[Instance, float] = {}
        self._ready: dict[Instance, float] = {}
        self._ended: dict[Instance, float] = {}
        self._restarted: dict[Instance, float | None] = {}
        """When what had failed early was restarted; None: not yet."""

    def on_event(self, event: EngineEvent) -> None:
        """Take an event; the first start counts, and what follows it first."""
        match event:
            case StepDone(step) if isinstance(step.action, Start):
                self._started.setdefault(step.action.instance, self._clock())
            case StepDone(step) if isinstance(step.action, Await):
                self._ready.setdefault(step.action.instance, self._clock())
            case BecameReady(instance):
                self._ready.setdefault(instance, self._clock())
            case RowChanged(row, _, known) if not known:
                self._on_row(row)

    def _on_row(self, row: ObservedRow) -> None:
        instance, now = row.instance, self._clock()
        if row.ended_well:
            self._ready.setdefault(instance, now)
        if row.phase is Phase.EXITED:
            self._ended.setdefault(instance, now)
        if row.failed_runs and not row.ended_well and row.phase in (Phase.EXITED, Phase.BACKING_OFF):
            self._restarted[instance] = None
        elif row.pid is not None and instance in self._restarted and self._restarted[instance] is None:
            self._restarted[instance] = now

    def moments(self) -> dict[Instance, Moments]:
        """Return what was seen so far of what has been started."""
        return {instance: self._moments(instance, at) for instance, at in self._started.items()}

    def _moments(self, instance: Instance, started: float) -> Moments:
        restarted = self._restarted.get(instance)
        failed_early = instance in self._restarted and restarted is None
        return Moments(started, self._ready.get(instance), self._ended.get(instance), failed_early, restarted)


def recorded(entries: Iterable[Mapping[str, Any]]) -> tuple[float, dict[Instance, Moments]] | None:
    """Return when the latest `up` of a record began that has started anything, and the moments; None without one."""
    commands: dict[float, list[Mapping[str, Any]]] = {}
    for entry in entries:
        began = entry.get("up")
        if isinstance(began, int | float):
            commands.setdefault(began, []).append(entry)
    for began in sorted(commands, reverse=True):
        found = _moments(commands[began])
        if found:
            return began, found
    return None


def _moments(entries: Iterable[Mapping[str, Any]]) -> dict[Instance, Moments]:
    started: dict[Instance, float] = {}
    ready: dict[Instance, float] = {}
    for entry in entries:
        if entry.get("result") != "done" or not entry.get("process"):
            continue
        instance = Instance(str(entry.get("sandbox")), str(entry["process"]), int(entry.get("replica") or 1))
        if entry.get("action") == "start":
            started.setdefault(instance, float(entry["time"]))
        elif entry.get("action") in ("await", "ready"):
            ready.setdefault(instance, float(entry["time"]))
    return {instance: Moments(at, ready.get(instance)) for instance, at in started.items()}
