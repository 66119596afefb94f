"""Explanations of `why` for people, on a terminal of some width."""

from __future__ import annotations

from collections.abc import Callable

from sbxcompose.cli.style import Style
from sbxcompose.plan.why import Explanation
from sbxcompose.plurals import counted
from sbxcompose.text_width import wrapped


def explanation_lines(answer: Explanation, width: int | None, plain: Callable[[str], str]) -> list[str]:
    """Return what is the matter: the first line is the headline; `plain` makes text one harmless line."""
    return [
        part for number, line in enumerate(answer.lines) for part in wrapped(plain(line), width, "  " if number else "")
    ]


def hint_lines(answer: Explanation, style: Style, width: int | None, plain: Callable[[str], str]) -> list[str]:
    """Return the way out; nothing if there is none."""
    if not answer.hint:
        return []
    first, *more = wrapped(f"hint: {plain(answer.hint)}", width, "  ")
    return [first.replace("hint:", style.cyan("hint:"), 1), *more]


def all_fine(count: int, *, has_file: bool) -> str:
    """Return that nothing is wrong with that many processes."""
    if count == 0:
        return "no processes"
    if not has_file:
        them = "it" if count == 1 else "them"
        return f"no problem with {counted(count, 'process')}; there is no file to compare {them} with"
    return "the process matches the file" if count == 1 else f"all {count} processes match the file"
