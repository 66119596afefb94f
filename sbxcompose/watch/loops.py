"""Whether a process has itself made the change that it would be restarted for; pure.

Told by cause, not by how often: somebody who saves ten times in a row is no loop. A change is a process's own if

- one of its processes has the file open for writing when the change is seen; or
- in several runs one after the other, each begun because of this very file, it changed at the same moment after the
  start, and each time the run had just then written at least as many bytes, beyond its output, as the file has.

A change before the run began or after it had ended, while the run wrote less than that, or while a process of somebody
else wrote just as much as the file has, has another cause.
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

    `wrote`: bytes that the run had written beyond its output since shortly before the change was to be expected
    (`before`); None if nobody could see. `elsewhere`: somebody else has written just as much meanwhile. `holds`: one
    of its processes has the file open for writing. `size` is the file's, 0 if it is gone.
    """

    run: int
    started: float
    changed: float
    ended: float | None = None
    holds: bool = False
    wrote: int | None = None
    elsewhere: bool = False
    size: int = 0


class ChangePattern(Struct, frozen=True):
    """How a file has changed in the runs so far: the latest, the moment after its start, and how many in a row."""

    run: int
    moment: float
    streak: int


def weigh(known: ChangePattern | None, evidence: Evidence) -> tuple[bool, ChangePattern | None]:
    """Whether the change is the process's own, and what to remember of it."""
    if evidence.holds:
        return True, known
    moment = evidence.changed - evidence.started
    during = moment >= 0 and (evidence.ended is None or evidence.changed <= evidence.ended + CLOSE)
    if not during or evidence.elsewhere or (evidence.wrote is not None and evidence.wrote < max(evidence.size, 1)):
        return False, None
    follows = known is not None and known.run < evidence.run and _close(known.moment, moment)
    streak = known.streak + 1 if known is not None and follows else 1
    needed = BLIND_STREAK if evidence.wrote is None else STREAK
    return streak >= needed, ChangePattern(evidence.run, moment, streak)


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= max(CLOSE, max(one, other) / 5)


def before(pattern: ChangePattern) -> float | None:
    """Seconds after the start at which it is to be noted how much a run has written: what it wrote earlier is not the
    cause. None for changes that come at once.
    """
    early = pattern.moment - 2 * max(CLOSE, pattern.moment / 5)
    return early if early > 0 else None


def pause(times: int) -> float:
    """Seconds before the next run of a process that has caused its own restart so many times in a row, from 1 on."""
    return float(min(FIRST_PAUSE * 2 ** min(times - 1, 10), LONGEST_PAUSE))
