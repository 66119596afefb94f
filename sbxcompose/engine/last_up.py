"""Which `up` a run belongs to, and where the output since the last one begins. Pure.

A start carries two moments: when the `up` was given that it belongs to, and when the project came up, that is the
first `up` or `start` while nothing of it ran. `restart`, `start` and changed files continue the `up` of the run before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sbxcompose.api.frames import StartNote
from sbxcompose.plan.observed import Instance, ObservedRow

Notes = Mapping[Instance, Mapping[int, StartNote]]
"""Of each instance, what its runs were started with, by the first run for which that holds."""


class UpTimes(NamedTuple):
    """Milliseconds since 1970."""

    up_ms: int
    life_ms: int


def came_up(notes: Notes, live: Collection[Instance], now_ms: int) -> int:
    """When the project came up, given what runs of it: now if nothing does."""
    lives = [note.life for instance in live if (note := latest(notes, instance)) is not None and note.life is not None]
    return max(lives, default=now_ms)


def up_times(notes: Notes, instance: Instance, life_ms: int, now_ms: int, *, is_up: bool) -> UpTimes:
    """Return the moments that the next start of an instance carries; `is_up`: the command that starts it is an `up`."""
    before = latest(notes, instance)
    if is_up or before is None or before.up is None or before.life != life_ms:
        return UpTimes(now_ms, life_ms)
    return UpTimes(before.up, life_ms)


def latest(notes: Notes, instance: Instance) -> StartNote | None:
    """Return the note that holds for the latest run of an instance."""
    own = notes.get(instance)
    return own[max(own)] if own else None


def since_last_up(notes: Notes, rows: Mapping[Instance, ObservedRow]) -> dict[Instance, int | None]:
    """Return the run with which each instance's output since the last `up` begins; `rows` are the newest ones.

    None: it has not run since the project came up. An instance of which nothing is known is left out.
    """
    found: dict[Instance, int | None] = {}
    if not all(row.past for row in rows.values()):
        found.update({instance: None for instance, row in rows.items() if row.past})
    last = {instance: note for instance in notes if (note := latest(notes, instance)) is not None}
    came_up_ms = max((note.life for note in last.values() if note.life is not None), default=0)
    for instance, note in last.items():
        if note.life is not None and instance not in found:
            # Two commands that bring the project up at once each have a moment of their own.
            is_over = note.life != came_up_ms and _ended_before(rows.get(instance), came_up_ms)
            found[instance] = None if is_over else _first_run(notes[instance], note)
    return found


def _ended_before(row: ObservedRow | None, moment_ms: int) -> bool:
    if row is None:
        return True
    return not row.live and (row.exit is None or row.exit.at is None or row.exit.at * 1000 < moment_ms)


def _first_run(own: Mapping[int, StartNote], last: StartNote) -> int:
    """Return the first run of those that belong to the same `up` as the last one."""
    first = last.run
    for run in sorted(own, reverse=True):
        if own[run].up != last.up:
            break
        first = run
    return first
