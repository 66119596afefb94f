"""Which quarter of the slow tests with many made-up cases a run tries: each commit one, chosen by its hash.

`TEST_PART=2/4` chooses it, so that a failure can be repeated; `TEST_PART=all` tries all four.
"""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path

PARTS = 4
VARIABLE = "TEST_PART"


def parts_of(chosen: str | None, commit: str) -> tuple[int, ...]:
    """Return the parts to try, from 0: those that are chosen, else the one of the commit, in hexadecimal digits."""
    if chosen == "all":
        return tuple(range(PARTS))
    if chosen:
        number = re.fullmatch(rf"([1-{PARTS}])/{PARTS}", chosen)
        if number is None:
            raise ValueError(f"{VARIABLE} is `{chosen}`; expected `1/{PARTS}` to `{PARTS}/{PARTS}`, or `all`")
        return (int(number[1]) - 1,)
    return (int(commit[:7] or "0", 16) % PARTS,)


@cache
def parts() -> tuple[int, ...]:
    """Return the parts that this run tries, from 0."""
    chosen = os.environ.get(VARIABLE)
    return parts_of(chosen, "" if chosen else _commit())


def name_of(part: int) -> str:
    """Return what chooses a part alone."""
    return f"{part + 1}/{PARTS}"


def _commit() -> str:
    """Return the hash of what is checked out, or nothing where that is no repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # there is no git
        return ""
