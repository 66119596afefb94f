"""How often a command that tells whether a process is ready, or healthy, is run until it succeeds; pure."""

from __future__ import annotations

SHARE = 32
"""A pause is at least this part of the time waited so far: readiness is seen a thirtieth of that late."""
FIRST_PAUSE = 0.005
LONGEST_PAUSE = 1.0
"""Seconds between two tries, at least and at most."""
CHEAP = 0.005
"""Seconds that a try may take for nothing: `test -e` takes about as long, and most of that in waiting for turns."""
REST = 2.0
"""How many times as long as the rest of a try there is none: a busy machine is not made busier."""


def next_try_in(waited: float, took: float) -> float:
    """Return the pause before a command that failed is tried again: it took so long, after `waited`; in seconds."""
    return min(max(waited / SHARE, REST * (took - CHEAP), FIRST_PAUSE), LONGEST_PAUSE)
