"""Lists of facts on a terminal, by rich: texts stand beside the names, or below them on a narrow terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sbxcompose.cli.style import Colored
from sbxcompose.cli.view.drawn import HANG, assembled, fitted, laid_out
from sbxcompose.cli.view.facts import Fact, FactList
from sbxcompose.cli.view.text_table import GAP
from sbxcompose.text_width import text_width

MIN_TEXT = 30
"""Columns that a text needs beside its name; where there are fewer it continues below the name."""
_INDENT = 4


def fact_lines(lists: Sequence[FactList], width: int, *, colors: bool) -> list[str]:
    """Return lists of facts for a terminal of that width, all names in one column."""
    facts = [fact for group in lists for fact in group.facts]
    names = max((text_width(fact.name) for fact in facts), default=0)
    indent = HANG if any(group.title for group in lists) else 0
    names += max((text_width(fact.mark.text) + 1 for fact in facts if fact.mark), default=0)
    room = width - indent - names - GAP
    drawn: list[RenderableType] = []
    for group in lists:
        drawn += [Text(group.title, "bold")] if group.title else []
        if room >= MIN_TEXT:
            drawn.append(Padding(_beside(group.facts, names, room), (0, 0, 0, indent), expand=False))
        else:
            drawn += _below(group.facts, width, indent)
    return laid_out(drawn, colors=colors)


def _beside(facts: Sequence[Fact], names: int, room: int) -> Table:
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(no_wrap=True, min_width=names)
    grid.add_column(no_wrap=True)
    for fact in facts:
        grid.add_row(_head(fact), _text(fact, room))
    return grid


def _below(facts: Sequence[Fact], width: int, indent: int) -> list[RenderableType]:
    return [
        Padding(part, (0, 0, 0, before), expand=False)
        for fact in facts
        for before, part in ((indent, _head(fact)), (_INDENT, _text(fact, width - _INDENT)))
    ]


def _head(fact: Fact) -> Text:
    return assembled([fact.mark, f" {fact.name}"] if fact.mark else [Colored(fact.name, "bold")])


def _text(fact: Fact, room: int) -> Text:
    text = fitted(Text(fact.text), room)
    if fact.hint is not None:
        text.append("\n").append_text(fitted(Text.assemble(("hint:", "cyan"), " ", fact.hint), room))
    return text
