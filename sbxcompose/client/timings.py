"""When instances were started and ready: taken from the events of a command, or from the record of an earlier one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sbxcompose.engine.events import BecameReady, EngineEvent, RowChanged, StepDone
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Await, Start
from sbxcompose.plan.timings import Moments


class MomentsSeen:
    """Takes note of starts and readiness while a command runs. `clock` is in seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._started: dict[Instance, float] = {}
        self._ready: dict[Instance, float] = {}

    def on_event(self, event: EngineEvent) -> None:
        """Take an event; the first start counts, and what follows it first."""
        match event:
            case StepDone(step) if isinstance(step.action, Start):
                self._started.setdefault(step.action.instance, self._clock())
            case StepDone(step) if isinstance(step.action, Await):
                self._ready.setdefault(step.action.instance, self._clock())
            case BecameReady(instance):
                self._ready.setdefault(instance, self._clock())
            case RowChanged(row, _, known) if row.ended_well and not known:
                self._ready.setdefault(row.instance, self._clock())

    def moments(self) -> dict[Instance, Moments]:
        """Return what was seen so far of what has been started."""
        return {instance: Moments(at, self._ready.get(instance)) for instance, at in self._started.items()}


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
