"""`sbxcompose graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sbxcompose.cli.context import Shell, unicode_output
from sbxcompose.cli.options import json_option, names_argument
from sbxcompose.errors import UsageError

if TYPE_CHECKING:
    from sbxcompose.plan.picture import Branch


@click.command("graph")
@names_argument
@click.option(
    "--format",
    "language",
    type=click.Choice(["tree", "dot", "mermaid"]),
    default="tree",
    help="Draw a tree (default), or write the language of Graphviz or Mermaid.",
)
@json_option
@click.pass_obj
def command(shell: Shell, names: tuple[str, ...], language: str, as_json: bool) -> int:
    """Show the dependencies of processes, and their states.

    With names, only these processes and what they need. Below each process is what it needs; what several need is
    expanded once.
    """
    from sbxcompose.plan import picture
    from sbxcompose.plan.names import resolve_all
    from sbxcompose.plan.options import PlanOptions, in_scope

    if as_json and language != "tree":
        raise UsageError(f"`--json` and `--format {language}` exclude each other")
    project = shell.project()
    needs = picture.needs_of(project, in_scope(project, PlanOptions(targets=resolve_all(project, names))))
    if as_json:
        shell.print_json(picture.to_json(needs))
        return 0
    match language:
        case "dot":
            lines = picture.dot(needs, project.name)
        case "mermaid":
            lines = picture.mermaid(needs)
        case _:
            lines = _tree(picture.branches(needs), shell)
    for line in lines:
        shell.print(line)
    return 0


def _tree(roots: list[Branch], shell: Shell) -> list[str]:
    if shell.width is None:
        from sbxcompose.plan import picture

        return picture.tree(roots, ascii_only=not unicode_output())
    from sbxcompose.cli.view.drawn import tree_lines

    return tree_lines(roots, shell.width, colors=shell.out.enabled, ascii_only=not unicode_output())
