"""Explanations of `why`: a tree of reasons on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sbxcompose.cli.style import Colored, Style
from sbxcompose.cli.view.tree_row import TreeRow
from sbxcompose.plan.why import Explanation
from sbxcompose.plurals import counted

if TYPE_CHECKING:
    from sbxcompose.cli.view.report import LastLines


def explanation_lines(
    answer: Explanation, output: LastLines | None, style: Style, plain: Callable[[str], str]
) -> list[str]:
    """Return what is the matter, the last lines of output, and the way out; `plain` makes text one harmless line."""
    headline, *others = map(plain, answer.lines)
    lines = [headline, *(f"  {line}" for line in others)]
    if output is not None:
        lines.append(style.dim(f"  {output.title}"))
        lines += [f"  {style.dim('|')} {line}" for line in output.lines]
        lines += [f"  {style.cyan('hint:')} {hint}" for hint in output.hints]
    return [*lines, *([f"  {style.cyan('hint:')} {plain(answer.hint)}"] if answer.hint else [])]


def explanation_tree(answer: Explanation, output: LastLines | None, plain: Callable[[str], str]) -> TreeRow:
    """Return the same as a tree: what holds something up is below what it holds up."""
    headline, *others = answer.lines
    root = last = TreeRow([Colored(plain(headline), "bold")])
    blockers = {blocker.text: blocker for blocker in answer.blockers}
    held = {blocker.held: root for blocker in answer.blockers[:1]}  # not by its label, which may have a replica
    for line in others:
        blocker = blockers.get(line)
        above = root if blocker is None else held.get(blocker.held, last)
        last = TreeRow([plain(line)])
        above.below.append(last)
        if blocker is not None and blocker.name is not None:
            held.setdefault(blocker.name, last)
    hints = [plain(answer.hint)] if answer.hint else []
    if output is not None:
        quoted = [part for line in output.lines for part in ("\n", Colored("| ", "dim"), line)]
        root.below.append(TreeRow([Colored(output.title, "dim"), *quoted]))
        hints = [*output.hints, *hints]
    root.below += [TreeRow([Colored("hint:", "cyan"), f" {hint}"]) for hint in hints]
    return root


def all_fine(count: int, *, has_file: bool) -> str:
    """Return that nothing is wrong with that many processes."""
    if count == 0:
        return "no processes"
    if not has_file:
        them = "it" if count == 1 else "them"
        return f"no problem with {counted(count, 'process')}; there is no file to compare {them} with"
    return "the process matches the file" if count == 1 else f"all {count} processes match the file"
