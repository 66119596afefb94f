"""The options of all commands as a text for completion: `python -m sbxcompose.cli.option_table` prints it anew.

`quick_completion` reads `options.tsv`, since importing the commands themselves takes twice as long as the rest of an
answer. A line has the command, the names of one option, its kind and its help; `stops` in place of a kind means that a
command's own options end with its first argument.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from sbxcompose.cli.command_names import COMMANDS, ROOT
from sbxcompose.cli.main import cli


def table() -> str:
    """Return the text of `options.tsv`."""
    root = click.Context(cli, info_name="sbxcompose", **cli.context_settings)
    lines = [*_lines(ROOT, root)]
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=root, **command.context_settings)
        lines += _lines(name, context)
        for sub, subcommand in getattr(command, "commands", {}).items():
            below = click.Context(subcommand, info_name=sub, parent=context, **subcommand.context_settings)
            lines += _lines(f"{name} {sub}", below)
    return "".join(f"{line}\n" for line in lines)


def _lines(name: str, context: click.Context) -> Iterator[str]:
    if not context.allow_interspersed_args and name != ROOT:
        yield f"{name}\t\tstops\t"
    for option in context.command.get_params(context):
        if isinstance(option, click.Option) and not option.hidden:
            kind = ("many " if option.multiple else "") + ("flag" if option.is_flag or option.count else "value")
            names = " ".join((*option.opts, *option.secondary_opts))
            yield f"{name}\t{names}\t{kind}\t{option.help or ''}"


if __name__ == "__main__":
    print(table(), end="")
