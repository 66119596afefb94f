"""The mistakes of a project's files as text: place, line, caret, way out; pure."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol

from sbxcompose.errors import InvalidSpec, Mistake
from sbxcompose.plurals import counted
from sbxcompose.text_width import text_width, wrapped

MOST = 50
"""Mistakes that are shown; whoever has more will not read them all."""
_WIDEST = 160
"""Columns of a line of the file that are shown, where no terminal is narrower."""
_LEAST = 10
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


def render(error: InvalidSpec, style: Styler | None = None, width: int | None = None) -> str:
    """Return all mistakes, an empty line between them; no line break at the end. `width` is that of the terminal."""
    style = style or Plain()
    shown: list[str] = []
    told: set[str] = set()
    for mistake in error.mistakes[:MOST]:
        shown.append(render_mistake(mistake, style, width, told))
        told.add(mistake.hint or "")
    if len(error.mistakes) > MOST:
        shown.append(style.dim(f"… and {counted(len(error.mistakes) - MOST, 'more mistake')}"))
    return "\n\n".join(shown)


def render_mistake(
    mistake: Mistake, style: Styler | None = None, width: int | None = None, told: Container[str] = ()
) -> str:
    """`file:line:column: message`, the line, a caret, the hint unless it is long and was `told` before."""
    style = style or Plain()
    place = ":".join(str(part) for part in (mistake.file, mistake.line, mistake.column) if part)
    head = f"{style.bold(_safe(place) + ':')} " if place else ""
    lines = wrapped(f"{head}{style.red(_safe(mistake.message))}", width)
    if mistake.line and mistake.source.strip():
        number = str(mistake.line)
        room = _WIDEST if width is None else min(_WIDEST, max(width - len(number) - 3, _LEAST))
        source, caret = _excerpt(mistake.source, mistake.column, room)
        lines.append(f"{style.dim(f'{number} |')} {source}")
        lines.append(f"{style.dim(' ' * len(number) + ' |')} {caret}{style.red('^')}")
    if mistake.hint and not (len(mistake.hint) > LONG_HINT and mistake.hint in told):
        lines += wrapped(f"{style.cyan('hint:')} {_safe(mistake.hint)}", width)
    return "\n".join(lines)


def _excerpt(source: str, column: int, widest: int) -> tuple[str, str]:
    """Return the line, cut to `widest` columns around the column, and what stands before the caret."""
    before, rest = _safe(source[: column - 1]), _safe(source[column - 1 :].rstrip())
    room = max(widest // 2, widest - text_width(rest))
    before = _cut(before[::-1], room)[::-1]
    # A tab before the caret must stay a tab, so that both lines are indented alike.
    caret = "".join("\t" if char == "\t" else " " * text_width(char) for char in before)
    return before + _cut(rest, widest - text_width(before)), caret


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


def _safe(text: str) -> str:
    """Control characters of the file must not reach the terminal."""
    return "".join(char if char.isprintable() or char in "\t\n" else "\ufffd" for char in text)
