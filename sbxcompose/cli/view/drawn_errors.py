"""Errors on a terminal, by rich: excerpts of files with a caret, and messages broken beside their first line."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.highlighter import RegexHighlighter
from rich.text import Text

from sbxcompose.cli.view.drawn import HANG, fitted, laid_out
from sbxcompose.errors import InvalidSpec, Mistake
from sbxcompose.spec.report import WIDEST, cut_around, halves, not_shown, place_of, safe, shown_mistakes

_MIN_EXCERPT = 10
_TAB = "    "
_MOST = 2_000
"""Characters of a line that is coloured: more take longer than their colours are worth."""


class _YamlLine(RegexHighlighter):
    """Colours of one line, which may be cut on both sides: rich's `Syntax` takes whole documents, and 20 ms."""

    base_style = ""
    highlights = (
        r"(?P<cyan>[\w.$/-]+)(?=:(?:\s|$))",
        r"""(?P<green>"(?:[^"\\]|\\.)*"|(?<!\w)'[^']*')""",
        r"(?:^|\s)(?P<dim>#[^'\"]*)$",
    )


def mistake_lines(error: InvalidSpec, width: int, *, colors: bool, ascii_only: bool = False) -> list[str]:
    """Return all mistakes of a file, an empty line between them."""
    shown: list[Text] = []
    for mistake, again in shown_mistakes(error):
        shown += [*([Text()] if shown else []), *_mistake(mistake, width, again=again, bar="|" if ascii_only else "│")]
    if more := not_shown(error):
        shown += [Text(), Text(more, "dim")]
    return laid_out(shown, colors=colors)


def _mistake(mistake: Mistake, width: int, *, again: bool, bar: str) -> Iterator[Text]:
    yield _labelled(place_of(mistake), "bold", Text(safe(mistake.message), "red"), width)
    if mistake.line and mistake.source.strip():
        gutter = f"{mistake.line} {bar} "
        # Tabs in their own width would move the rest to where the caret is not.
        before, rest = (part.replace("\t", _TAB) for part in halves(mistake))
        line, column = _excerpt(before, rest, min(WIDEST, max(width - len(gutter), _MIN_EXCERPT)))
        yield Text.assemble((gutter, "dim"), line)
        yield Text.assemble((f"{bar:>{len(gutter) - 1}} ", "dim"), " " * column, ("^", "bold red"))
    if mistake.hint and not again:
        yield _labelled("hint:", "cyan", Text(safe(mistake.hint)), width)


def _excerpt(before: str, rest: str, widest: int) -> tuple[Text, int]:
    """Return the line with its colours, cut around the mistake, and the column of that."""
    line = Text(before + rest)
    if len(line) <= _MOST:
        _YamlLine().highlight(line)  # all of it: what is cut off may have begun a string
    shown_before, shown_rest = cut_around(before, rest, widest)
    cut_before, cut_rest = shown_before != before, shown_rest != rest
    start = len(before) - len(shown_before) + cut_before
    end = len(before) + len(shown_rest) - cut_rest
    shown = Text.assemble("…" if cut_before else "", line[start:end], "…" if cut_rest else "")
    return shown, cell_len(shown_before)


def _labelled(label: str, color: str, message: Text, width: int) -> Text:
    return fitted(Text.assemble((label, color), " ", message) if label else message, width, HANG)
