"""Pictures of what processes need: a tree for a terminal, and the languages of Graphviz and Mermaid; pure.

Commands of `setup`, and what carries connections between sandboxes, are left out: they are not named in the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from sbxcompose.plan.names import ProcessNames
from sbxcompose.spec.project import Condition, Process, Project

_LINES = ("├── ", "│   ", "└── ", "    ")
_ASCII_LINES = ("|-- ", "|   ", "`-- ", "    ")


class Need(Struct, frozen=True):
    """A process that another one needs, and the state in which it needs it."""

    name: str
    condition: Condition
    required: bool

    def __str__(self) -> str:
        return f"{self.condition}" if self.required else f"{self.condition}, if wanted"


Needs = Mapping[str, Sequence[Need]]
"""What each process needs, in the order of the file."""


def needs_of(project: Project, processes: Iterable[Process]) -> Needs:
    """Return what these processes need of each other."""
    names = ProcessNames(project)
    shown = {process.address: process for process in processes if not (process.is_setup or process.is_connector)}
    return {
        names.process(process.sandbox, process.name): [
            Need(names.process(need.sandbox, need.process), need.condition, need.required)
            for need in process.depends_on
            if need.address in shown
        ]
        for process in shown.values()
    }


class Branch(Struct):
    """A line of the tree, and what hangs from it."""

    label: str
    below: list[Branch] = field(default_factory=list)


def branches(needs: Needs) -> list[Branch]:
    """Return the processes that no other needs, with what they need below them; what has been shown is not repeated."""
    needed = {need.name for own in needs.values() for need in own}
    told: set[str] = set()
    roots = [(name, Branch(name)) for name in needs if name not in needed]
    for name, root in roots:
        told.add(name)
        # A stack instead of a recursion: chains of dependencies may be long.
        open_levels = [(root, iter(needs[name]))]
        while open_levels:
            need = next(open_levels[-1][1], None)
            if need is None:
                open_levels.pop()
                continue
            own, again = needs[need.name], need.name in told
            branch = Branch(f"{need.name} ({need}){' (see above)' if again and own else ''}")
            open_levels[-1][0].below.append(branch)
            if not again:
                told.add(need.name)
                open_levels.append((branch, iter(own)))
    return [root for _, root in roots]


def tree(roots: Iterable[Branch], *, ascii_only: bool = False) -> list[str]:
    """Return the tree as text."""
    branch_mark, stem, last_mark, no_stem = _ASCII_LINES if ascii_only else _LINES
    lines: list[str] = []
    for root in roots:
        lines.append(root.label)
        open_branches = _marked("", root.below)
        while open_branches:
            indent, branch, is_last = open_branches.pop()
            lines.append(f"{indent}{last_mark if is_last else branch_mark}{branch.label}")
            open_branches += _marked(indent + (no_stem if is_last else stem), branch.below)
    return lines


def _marked(indent: str, below: Sequence[Branch]) -> list[tuple[str, Branch, bool]]:
    """Return branches in the order of a stack, with their indentation and whether they are the last."""
    return [(indent, branch, number == 0) for number, branch in enumerate(reversed(below))]


def dot(needs: Needs, title: str) -> list[str]:
    """Return the graph in the language of Graphviz; an arrow leads to what is needed."""
    lines = [f"digraph {_quoted(title)} {{"]
    lines += [f"  {_quoted(name)};" for name in needs]
    for name, own in needs.items():
        for need in own:
            style = "" if need.required else ", style=dashed"
            lines.append(f'  {_quoted(name)} -> {_quoted(need.name)} [label="{need.condition}"{style}];')
    return [*lines, "}"]


def mermaid(needs: Needs) -> list[str]:
    """Return the graph in the language of Mermaid; an arrow leads to what is needed."""
    numbers = {name: f"p{number}" for number, name in enumerate(needs, 1)}
    lines = ["flowchart LR", *(f"  {number}[{_quoted(name)}]" for name, number in numbers.items())]
    for name, own in needs.items():
        for need in own:
            arrow = "-->" if need.required else "-.->"
            lines.append(f"  {numbers[name]} {arrow}|{need.condition}| {numbers[need.name]}")
    return lines


def to_json(needs: Needs) -> list[dict[str, Any]]:
    """Return the graph for programs."""
    return [
        {
            "process": name,
            "needs": [
                {"process": need.name, "condition": str(need.condition), "required": need.required} for need in own
            ],
        }
        for name, own in needs.items()
    ]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
