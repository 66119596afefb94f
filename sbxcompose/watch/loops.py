"""Whether a process has itself made the change that it would be restarted for; pure.

Told by cause, not by how often: somebody who saves ten times in a row is no loop. A change is a process's own if

- one of its processes has the file open for writing when the change is seen; or
- in several runs one after the other, each begun because of this very file, it changed at the same moment after the
  start, and each time the run had by then written at least as many bytes, beyond its output, as the file has.

A change before the run began or after it had ended, or in a run that has not written that much, has another cause.
"""

from __future__ import annotations

from msgspec import Struct

STREAK = 3
"""Runs in a row in which a file has to change at the same moment."""
BLIND_STREAK = 4
"""The same where nobody could see how much the run had written."""
CLOSE = 0.03
"""Seconds by which moments may differ and be the same; a fifth of them, if that is more."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Evidence(Struct, frozen=True):
    """What is known of one change during one run. Moments are seconds since 1970.

    `wrote`: bytes that the run had written by then beyond its output; None if nobody could see. `holds`: one of its
    processes has the file open for writing. `size` is the file's, 0 if it is gone.
    """

    run: int
    started: float
    changed: float
    ended: float | None = None
    holds: bool = False
    wrote: int | None = None
    size: int = 0


class Pattern(Struct, frozen=True):
    """How a file has changed in the runs so far: the latest, the moment after its start, and how many in a row."""

    run: int
    moment: float
    streak: int


def weigh(before: Pattern | None, evidence: Evidence) -> tuple[bool, Pattern | None]:
    """Whether the change is the process's own, and what to remember of it."""
    if evidence.holds:
        return True, before
    moment = evidence.changed - evidence.started
    during = moment >= 0 and (evidence.ended is None or evidence.changed <= evidence.ended + CLOSE)
    if not during or (evidence.wrote is not None and evidence.wrote < max(evidence.size, 1)):
        return False, None
    follows = before is not None and before.run < evidence.run and _close(before.moment, moment)
    streak = before.streak + 1 if before is not None and follows else 1
    needed = BLIND_STREAK if evidence.wrote is None else STREAK
    return streak >= needed, Pattern(evidence.run, moment, streak)


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= max(CLOSE, max(one, other) / 5)


def pause(times: int) -> float:
    """Seconds before the next run of a process that has caused its own restart so many times in a row, from 1 on."""
    return float(min(FIRST_PAUSE * 2 ** min(times - 1, 10), LONGEST_PAUSE))
