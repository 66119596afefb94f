"""What happens to processes, and what the engine decides, as one list of events for people and programs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from sbxcompose.engine.events import EngineEvent, RowChanged, RunBegan, RunEnded
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase

Label = Callable[[Instance], str]


class ProjectEvent(Struct, frozen=True):
    """One event of a process (`type` is `process`), or the begin or end of a step of a command (`decision`).

    `time` is in seconds since 1970; `fields` are those of `events --json`; `text` is one line for people.
    """

    time: float
    fields: Mapping[str, Any]
    text: str
    instance: Instance | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def type(self) -> str:
        """What kind of event it is: `process` or `decision`."""
        return str(self.fields["type"])

    @property
    def action(self) -> str:
        """What happened (`started`, `exited`, `healthy`, `backing off`, …), or the kind of the step."""
        return str(self.fields["action"])

    @property
    def name(self) -> str:
        """The process, as the command line calls it; for a step the sandbox, if it concerns no process."""
        return str(self.fields["name"])

    @property
    def only_confirms(self) -> bool:
        """Whether it is the success of a step whose begin was an event, too: that is for programs."""
        return self.fields.get("result") == "done" and self.fields.get("began") is not None

    @property
    def run(self) -> int | None:
        """The number of the run, from 1; None for a step."""
        run = self.fields.get("run")
        return run if isinstance(run, int) else None

    @property
    def key(self) -> tuple[Any, ...]:
        """What is the same in what is recorded and in what is told live of one event."""
        action = "exited" if self.fields["action"] in ("stopped", "completed") else self.fields["action"]
        return (self.instance, self.fields.get("run"), action)

    def without_secrets(self, secrets: KnownSecrets) -> ProjectEvent:
        """Return the event with the values of secrets masked."""
        return ProjectEvent(self.time, secrets.hide_all(dict(self.fields)), secrets.hide(self.text), self.instance)

    def to_json(self) -> dict[str, Any]:
        """Return the event for a program."""
        return {"time": round(self.time, 3), **self.fields}

    def line(self) -> str:
        """Return the event for people, with its time (UTC) as `logs -t` has it."""
        moment = datetime.fromtimestamp(self.time, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z {self.text}"


def decided(entry: Mapping[str, Any], label: Label) -> ProjectEvent:
    """Return the event of an entry of the engine's record."""
    result, title = entry.get("result"), str(entry.get("title", entry.get("action", "?")))
    fields = {name: value for name, value in entry.items() if name not in ("time", "title")}
    instance = None
    if entry.get("process"):
        instance = Instance(str(entry.get("sandbox")), str(entry["process"]), int(entry.get("replica") or 1))
        fields["name"] = label(instance)
        # As in other events: it was `worker`, and is `worker.1` now that there are more.
        title = " ".join(fields["name"] if word == entry.get("name") else word for word in title.split(" "))
    ended = result in ("failed", "skipped", "interrupted") or (result == "done" and entry.get("began") is not None)
    words = f"{title}: {result}" if ended else title
    reason = entry.get("error") or (None if ended else entry.get("reason"))
    return ProjectEvent(float(entry["time"]), fields, f"* {words}: {reason}" if reason else f"* {words}", instance)


def changed(event: EngineEvent, label: Label, now: float) -> Iterator[ProjectEvent]:
    """Yield what a change of a row, or the begin or end of a run in a log, means; nothing for other events."""
    match event:
        case RowChanged(row, before, known) if not known:
            yield from _row_changes(row, before, label, now)
        case RunBegan(instance, run, at):
            yield _event(at, instance, label, "started", f"started (run {run})", run=run)
        case RunEnded(instance, run, end):
            yield _ended("exited", instance, run, end, label, now)


def _row_changes(row: ObservedRow, before: ObservedRow | None, label: Label, now: float) -> Iterator[ProjectEvent]:
    instance = row.instance
    if row.exit is not None and row.exit != (before.exit if before is not None else None):
        run = row.run if row.pid is None or row.run == 1 else row.run - 1
        if row.pid is None and (before is None or before.pid is None or before.run != run):  # it has ended since
            at = row.started_at or row.exit.at or now
            yield _event(at, instance, label, "started", f"started (run {run})", run=run)
        action = "exited"
        if row.phase is Phase.STOPPED:
            action = "stopped"
        elif row.phase is Phase.EXITED and row.completed:
            action = "completed"
        yield _ended(action, instance, run, row.exit, label, now)
    if row.pid is not None and (before is None or before.pid is None or before.run != row.run):
        at = row.started_at or now
        yield _event(at, instance, label, "started", f"started (run {row.run})", run=row.run, pid=row.pid)
    if before is not None and row.phase is before.phase:
        return
    match row.phase:
        case Phase.STOPPED if before is not None and row.exit == before.exit:  # between two runs
            yield _event(now, instance, label, "stopped", "stopped", run=row.run)
        case Phase.BACKING_OFF:
            pause = max((row.next_restart_at or now) - now, 0.0)
            more = {"run": row.run, "restart_at": row.next_restart_at}
            yield _event(now, instance, label, "backing off", f"restarts in {pause:.1f}s", **more)
        case Phase.UNHEALTHY:
            seen = f": {row.last_check}" if row.last_check else ""
            yield _event(now, instance, label, "unhealthy", f"is unhealthy{seen}", run=row.run, check=row.last_check)
        case Phase.RUNNING if row.has_health_check:
            yield _event(now, instance, label, "healthy", "is healthy", run=row.run)


def _ended(action: str, instance: Instance, run: int, end: Exit, label: Label, now: float) -> ProjectEvent:
    how = f" (run {run})" if end.success else f": {end} (run {run})"
    memory = {"oom_killed": end.oom_killed, "out_of_memory": end.out_of_memory}
    codes = {"exit_code": end.code, "signal": end.signal, **memory}
    words = {"stopped": f"stopped (run {run})"}.get(action, f"{action}{how}".replace("exited: exited", "exited"))
    return _event(end.at or now, instance, label, action, words.replace("exited: was", "was"), run=run, **codes)


def _event(at: float, instance: Instance, label: Label, action: str, words: str, **more: Any) -> ProjectEvent:
    name = label(instance)
    place = {"sandbox": instance.sandbox, "process": instance.process, "replica": instance.replica}
    fields = {"type": "process", "action": action, "name": name, **place, **more}
    return ProjectEvent(at, fields, f"{name} {words}", instance)
