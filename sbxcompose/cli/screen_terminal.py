"""Whether there is a terminal on which a whole screen can be drawn; imports nothing that takes time."""

from __future__ import annotations

import os
import sys

from sbxcompose.errors import UsageError


def check_terminal(hint: str) -> None:
    """Raise `UsageError`, with that hint, where no screen can be drawn."""
    for name, stream in (("input", sys.stdin), ("output", sys.stdout)):
        if stream is None or not stream.isatty():
            raise UsageError(f"cannot draw a screen: standard {name} is not a terminal", hint=hint)
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        raise UsageError(f"cannot draw a screen: TERM is `{term}`, a terminal without cursor movement", hint=hint)
