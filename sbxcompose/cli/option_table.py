"""What all commands take as a text for completion: `python -m sbxcompose.cli.option_table` prints it anew.

`quick_line` reads `options.tsv`, since importing the commands themselves takes several times as long as the rest of an
answer. A line has the command, the names of an option (an argument has none), its kind, what its values are and its
help. The kind is `stops` where a command's own options end with its first argument, and `command` for the command of a
group.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from sbxcompose.cli.command_names import COMMANDS, ROOT
from sbxcompose.cli.completion import Completion
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
            lines.append((f"{name} {sub}", "", "command", "", subcommand.get_short_help_str()))
            lines += _lines(f"{name} {sub}", below)
    return "".join("\t".join(line) + "\n" for line in lines)


def _lines(name: str, context: click.Context) -> Iterator[tuple[str, str, str, str, str]]:
    if not context.allow_interspersed_args and not isinstance(context.command, click.Group):
        yield name, "", "stops", "", ""
    for parameter in context.command.get_params(context):
        source = _source(parameter)
        if isinstance(parameter, click.Option) and not parameter.hidden:
            kind = ("many " if parameter.multiple else "") + ("flag" if _is_flag(parameter) else "value")
            yield name, " ".join((*parameter.opts, *parameter.secondary_opts)), kind, source, parameter.help or ""
        elif isinstance(parameter, click.Argument):
            yield name, "", "many argument" if parameter.nargs == -1 else "argument", source, ""


def _is_flag(option: click.Option) -> bool:
    return bool(option.is_flag or option.count)


def _source(parameter: click.Parameter) -> str:
    """Return what `quick_values` is to complete the values of a parameter with."""
    if isinstance(parameter.type, click.Choice):
        return " ".join(("choice", *parameter.type.choices))
    completion = parameter._custom_shell_complete
    return completion.source if isinstance(completion, Completion) else ""


if __name__ == "__main__":
    print(table(), end="")
