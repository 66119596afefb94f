"""`run sh -c ...` and `exec ls`: a command stands where a process was expected. Imported only then."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from shutil import which

from sbxcompose.errors import UnknownName
from sbxcompose.spec.project import Project

_MOST = 60
"""Characters of a command that are repeated."""


def explain_order(error: UnknownName, command: str, words: Sequence[str], project: Project) -> None:
    """Say that a process comes first, where the first of the words is a program and not a slip of the fingers."""
    text = " " in words[0]
    if error.explained or error.near or not (text or "/" in words[0] or which(words[0])):
        return
    first = next(project.every_process(), None)
    process = "PROCESS" if first is None else first.name
    shown = shlex.join(["sh", "-c", words[0]] if text else words)
    if len(shown) > _MOST or not shown.isprintable():
        shown = "COMMAND"
    error.hint = f"name a process first: `sbxcompose {command} {process} {shown}`"
    if error.listed is not None:
        error.hint += f" ({error.listed})"
