"""The mistakes of a project's files as text: place, line, caret, way out; pure.

This is what pipes and programs get; `cli/view/drawn_errors.py` draws the same on a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sbxcompose.errors import InvalidSpec, Mistake
from sbxcompose.plurals import counted
from sbxcompose.text_width import text_width

MOST = 50
"""Mistakes that are shown; whoever has more will not read them all."""
WIDEST = 160
"""Columns of a line of the file that are shown, where no terminal is narrower."""
LONG_HINT = 100
"""Characters of a hint that is shown once, and not again with each mistake to which it applies."""


class Styler(Protocol):
    """Colours, or none."""

    def red(self, text: str) -> str:
        """Return what is wrong."""

    def cyan(self, text: str) -> str:
        """Return the way out."""

    def dim(self, text: str) -> str:
        """Return the file's own text."""

    def bold(self, text: str) -> str:
        """Return the place."""


class Plain:
    """No colours."""

    def red(self, text: str) -> str:
        """As it is."""
        return text

    cyan = dim = bold = red


def render(error: InvalidSpec, style: Styler | None = None) -> str:
    """Return all mistakes, an empty line between them; no line break at the end."""
    style = style or Plain()
    shown = [render_mistake(mistake, style, again=again) for mistake, again in shown_mistakes(error)]
    if more := not_shown(error):
        shown.append(style.dim(more))
    return "\n\n".join(shown)


def shown_mistakes(error: InvalidSpec) -> Iterator[tuple[Mistake, bool]]:
    """Yield the mistakes that are shown, and whether the hint of each is long and was shown before."""
    told: set[str] = set()
    for mistake in error.mistakes[:MOST]:
        hint = mistake.hint or ""
        yield mistake, len(hint) > LONG_HINT and hint in told
        told.add(hint)


def not_shown(error: InvalidSpec) -> str | None:
    """Say how many mistakes are not shown; None if all are."""
    more = len(error.mistakes) - MOST
    return f"… and {counted(more, 'more mistake')}" if more > 0 else None


def render_mistake(mistake: Mistake, style: Styler | None = None, *, again: bool = False) -> str:
    """`file:line:column: message`, the line, a caret, the hint unless it is shown `again`."""
    style = style or Plain()
    place = place_of(mistake)
    lines = [f"{style.bold(place)} {style.red(safe(mistake.message))}" if place else style.red(safe(mistake.message))]
    if mistake.line and mistake.source.strip():
        number = str(mistake.line)
        before, rest = cut_around(*halves(mistake), WIDEST)
        # A tab before the caret must stay a tab, so that both lines are indented alike.
        caret = "".join("\t" if char == "\t" else " " * text_width(char) for char in before)
        lines.append(f"{style.dim(f'{number} |')} {before}{rest}")
        lines.append(f"{style.dim(' ' * len(number) + ' |')} {caret}{style.red('^')}")
    if mistake.hint and not again:
        lines.append(f"{style.cyan('hint:')} {safe(mistake.hint)}")
    return "\n".join(lines)


def place_of(mistake: Mistake) -> str:
    """Return `file:line:column:`, as far as it is known."""
    place = ":".join(str(part) for part in (mistake.file, mistake.line, mistake.column) if part)
    return safe(place + ":") if place else ""


def halves(mistake: Mistake) -> tuple[str, str]:
    """Return the line in two parts: what comes before the mistake, and what begins with it."""
    return safe(mistake.source[: mistake.column - 1]), safe(mistake.source[mistake.column - 1 :].rstrip())


def cut_around(before: str, rest: str, widest: int) -> tuple[str, str]:
    """Return both parts, cut to `widest` columns in all, an ellipsis where they were cut."""
    room = max(widest // 2, widest - text_width(rest))
    before = _cut(before[::-1], room)[::-1]
    return before, _cut(rest, widest - text_width(before))


def _cut(text: str, columns: int) -> str:
    """Return the beginning of a text, an ellipsis for what is too wide."""
    if text_width(text) <= columns:
        return text
    kept = []
    for char in text:
        columns -= text_width(char)
        if columns < 1:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…"


def safe(text: str) -> str:
    """Return a text without control characters, which must not reach a terminal."""
    return "".join(char if char.isprintable() or char in "\t\n" else "\ufffd" for char in text)
