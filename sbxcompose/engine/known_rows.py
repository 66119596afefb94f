"""What is known of the rows of a sandbox: as its daemon told them, and as the planner sees them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from sbxcompose.api.models import ProcessInfo
from sbxcompose.clock import SteadyClock
from sbxcompose.engine.down_mark import PROCESS, Order, is_mark, is_past, order_of
from sbxcompose.engine.observe import Successes, read_row, row_key
from sbxcompose.engine.row_moments import RowMoments
from sbxcompose.plan.observed import Instance, ObservedRow, Phase
from sbxcompose.plan.stability import failed_runs_after


class KnownRows:
    """The rows of one sandbox. A subclass is told of each change: `_row_changed`, and `_wake` for all others."""

    def __init__(self, name: str, clock: SteadyClock) -> None:
        self.name = name
        self.clock = clock
        self._rows: dict[str, ProcessInfo] = {}
        self._keys: dict[int, str] = {}
        """The key of the row that has a handle."""
        self._ours: dict[Instance, dict[str, ObservedRow]] = {}
        self._moments = RowMoments(self.clock)
        self._asked: set[str] = set()
        """The names that we have stopped, for a daemon that does not tell such an end from others."""
        self.successes: Successes = {}
        """The exit codes of its processes that count as success besides 0."""
        self._mark: Order | None = None
        """When the latest `down` was."""

    @property
    def has_started(self) -> bool:
        """Whether anything of the project has ever been started in it, as far as its daemon still knows."""
        return any(self._ours.values())

    @property
    def needs_mark(self) -> bool:
        """Whether a `down` has to be marked: something would count as completed, or may complete before that is told.

        What is seen to have been stopped counts as nothing.
        """
        rows = (row for rows in self._ours.values() for row in rows.values())
        return any(row.live or (row.ended_well and not row.instance.process.startswith("@")) for row in rows)

    def instances(self) -> tuple[Instance, ...]:
        """Every instance of the project that has rows."""
        return tuple(self._ours)

    def live(self) -> Iterator[ObservedRow]:
        """Return the rows of the project that a supervisor holds."""
        return (row for rows in self._ours.values() for row in rows.values() if row.live)

    def rows(self, instance: Instance) -> tuple[ObservedRow, ...]:
        """Return the rows of one instance, the newest last."""
        found = self._ours.get(instance, {}).values()
        return tuple(sorted(found, key=lambda row: (row.started_at or 0, row.name)))

    def keys(self) -> frozenset[str]:
        """Return the keys of all rows, see `row_key`."""
        return frozenset(self._rows)

    def named(self, name: str) -> ProcessInfo | None:
        """Return the row of a managed name as it was last seen, live or ended; None if there was none."""
        return self._rows.get(name)  # see `row_key`

    def row(self, instance: Instance, digest: str | None = None) -> ObservedRow | None:
        """Return the row that counts for an instance: the newest live one, else the newest (of `digest`, if given)."""
        found = self._ours.get(instance)
        if not found:
            return None
        if len(found) == 1:  # nearly always: asked for each instance at each judgement
            (only,) = found.values()
            return only if digest is None or only.digest == digest else None
        rows = [row for row in self.rows(instance) if digest is None or row.digest == digest]
        counting = [row for row in rows if row.live] or rows
        return counting[-1] if counting else None

    def is_outdated(self, instance: Instance, digest: str) -> bool:
        """Return whether an instance lives, but only by other definitions."""
        live = [row.digest for row in self.rows(instance) if row.live]
        return bool(live) and digest not in live

    def _update(self, info: ProcessInfo) -> None:
        key = row_key(info)
        if key in self._asked:
            info = self._as_stopped(info)
        self._set_handle(key, info)
        self._rows[key] = info
        if is_mark(info):
            self._set_mark(info)
        row = read_row(self.name, info, self._mark, self.successes)
        if row is None:
            return
        row = self._moments.timed(key, row)
        rows = self._ours.setdefault(row.instance, {})
        before = rows.get(key)
        # A daemon without this field of the extension does not count them: they are estimated from the rows seen.
        if info.managed is not None and info.managed.failed_runs is None:
            row = replace(row, failed_runs=failed_runs_after(before, row))
        if row.phase is Phase.STOPPED and before is not None:
            row = replace(row, stopped_at=before.stopped_at if before.phase is row.phase else self.clock.now())
        rows[key] = row
        if row != before:
            self._row_changed(row, before)

    def _set_handle(self, key: str, info: ProcessInfo) -> None:
        before = self._rows.get(key)
        if before is not None and before.handle != info.handle:
            self._keys.pop(before.handle or 0, None)
        if info.handle:
            self._keys[info.handle] = key

    def _set_mark(self, info: ProcessInfo) -> None:
        """Take note of a `down`: what ended before it no longer counts."""
        mark = order_of(info)
        self._mark = mark if self._mark is None else max(mark, self._mark)
        for rows in self._ours.values():
            for key, row in rows.items():
                rows[key] = replace(row, past=is_past(self._rows[key], self._mark))
        self._wake(Instance(self.name, PROCESS))

    def _as_stopped(self, info: ProcessInfo) -> ProcessInfo:
        if info.managed is None or info.managed.status != "stopped":
            return info
        return replace(info, managed=replace(info.managed, stop_requested=True))

    def _drop_handle(self, handle: int) -> None:
        """Forget the row that has a handle now, if one has it."""
        key = self._keys.get(handle)
        if key is not None:
            self._drop(key)

    def _drop(self, key: str) -> None:
        info = self._rows.pop(key)
        self._keys.pop(info.handle or 0, None)
        self._moments.forget(key)
        row = read_row(self.name, info)
        if row is not None:
            self._ours[row.instance].pop(key, None)
            self._wake(row.instance)

    def _row_changed(self, row: ObservedRow, before: ObservedRow | None) -> None:
        """Handle a row of the project that is new, or differs."""

    def _wake(self, instance: Instance) -> None:
        """Let whoever waits for an instance look again."""
