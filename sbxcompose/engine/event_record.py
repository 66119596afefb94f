"""The record of what the engine decided and did in a project: a file of JSON lines that `events` reads.

Every command that carries out a plan adds a line for each step when it begins, before it has any effect that could be
seen, and one when it has ended. The file is the user's alone, and its
older half is left out when it has grown. What cannot be written is left: it would be no reason not to start.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sbxcompose.api.json_text import encode
from sbxcompose.clock import wall_time
from sbxcompose.engine.events import (
    BecameReady,
    EngineEvent,
    EventHandler,
    StepBegun,
    StepCancelled,
    StepDone,
    StepFailed,
    StepHeldUp,
)
from sbxcompose.errors import SbxError
from sbxcompose.file_writing import append_lines
from sbxcompose.paths import state_directory, state_path
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.steps import Step

FOLDER = "events"
MOST = 1024 * 1024
"""Bytes of a file after which its older half is left out: about 2000 steps."""


class EventRecord:
    """The record of one project."""

    def __init__(
        self,
        project: str,
        environ: Mapping[str, str],
        clock: Callable[[], float] = wall_time,
        *,
        up: float | None = None,
    ) -> None:
        """`up`: when the `up` began whose steps are recorded, in seconds since 1970."""
        self._environ = environ
        self._up = up
        self._clock = clock
        self._unwritten: list[bytes] = []
        self.path: Path = state_path(environ) / FOLDER / f"{quote(project, safe='')}.jsonl"

    def recording(self, emit: EventHandler) -> EventHandler:
        """Return a handler that records when steps begin and how they end, and hands every event on."""
        begun: dict[int, float] = {}

        def record(event: EngineEvent) -> None:
            now = round(self._clock(), 3)
            entry = entry_of(event, now)
            if entry is not None:
                if isinstance(event, StepBegun):
                    begun[event.step.number] = now
                elif isinstance(event, StepDone | StepFailed | StepCancelled):
                    entry["began"] = begun.get(event.step.number)
                self._add(entry)
            emit(event)

        return record

    def on_event(self, event: EngineEvent) -> None:
        """Record that an instance has become ready."""
        if isinstance(event, BecameReady):
            place = {"sandbox": event.instance.sandbox, "process": event.instance.process}
            more = {"replica": event.instance.replica, "run": event.run, "result": "done"}
            self._add({"time": round(self._clock(), 3), "type": "readiness", "action": "ready", **place, **more})

    def became_ready(self) -> dict[Instance, tuple[int | None, float]]:
        """Return of each instance which run was found ready last, and when."""
        return {
            Instance(entry["sandbox"], entry["process"], entry["replica"]): (entry.get("run"), entry["time"])
            for entry in self.read()[0]
            if entry.get("type") == "readiness"
        }

    def decisions(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """As `read`, but only the steps."""
        entries, end = self.read(offset)
        return [entry for entry in entries if entry.get("type") == "decision"], end

    def read(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return the entries after an offset, and where they end; all of them if the file was cut meanwhile."""
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                file.seek(offset if offset <= size else 0)
                data = file.read()
                end = file.tell()
        except OSError:
            return [], 0
        whole, newline, rest = data.rpartition(b"\n")
        found: list[dict[str, Any]] = []
        for line in (whole + newline).splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and isinstance(entry.get("time"), int | float):
                    found.append(entry)
        return found, end - len(rest)

    def _add(self, entry: Mapping[str, Any]) -> None:
        if self._up is not None:
            entry = {**entry, "up": round(self._up, 3)}
        self._unwritten.append(encode(entry) + b"\n")
        if len(self._unwritten) == 1:
            # The steps that end in one turn of the event loop are written together.
            try:
                asyncio.get_running_loop().call_soon(self._write)
            except RuntimeError:
                self._write()

    def _write(self) -> None:
        lines, self._unwritten = b"".join(self._unwritten), []
        with suppress(OSError, SbxError):
            if not self.path.parent.is_dir():
                state_directory(self._environ)
                self.path.parent.mkdir(mode=0o700, exist_ok=True)
            append_lines(self.path, lines, MOST)


def entry_of(event: EngineEvent, now: float) -> dict[str, Any] | None:
    """Return what is recorded of an event; None for one that neither begins nor ends a step. Pure."""
    match event:
        case StepBegun(step):
            return _entry(step, "begun", now)
        case StepDone(step):
            return _entry(step, "done", now)
        case StepFailed(step, error):
            return _entry(step, "failed", now) | {"error": error.message}
        case StepCancelled(step):
            return _entry(step, "interrupted", now)
        case StepHeldUp(step, by):
            return _entry(step, "skipped", now) | {"error": f"{by.title} failed or was skipped"}
        case _:
            return None


def _entry(step: Step, result: str, now: float) -> dict[str, Any]:
    return {
        "time": now,
        "type": "decision",
        "action": step.action.kind,
        "result": result,
        "name": step.subject,
        **step.place,
        "reason": step.reason,
        "title": step.title,
    }
