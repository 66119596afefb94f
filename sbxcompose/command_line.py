"""Argument vectors as people read and copy them; pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence


def command_line(command: Sequence[str], hide: Callable[[str], str] = str) -> str:
    """Format an argument vector on one line, as a shell takes it; `hide` masks secrets.

    Of `sh -c TEXT`, which a command that is a text has become, the text is shown; empty arguments are kept.
    """
    if len(command) == 3 and tuple(command[:2]) == ("sh", "-c"):
        return " ".join(filter(None, map(str.strip, hide(command[2]).splitlines())))
    return " ".join(_quoted(word, hide) for word in command)


def _quoted(word: str, hide: Callable[[str], str]) -> str:
    """Quote a word for a shell. Quoting changes only quotes, so it is masked after it if it has none."""
    return shlex.quote(hide(word)) if "'" in word else hide(shlex.quote(word))
