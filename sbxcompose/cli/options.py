"""Options and arguments that several commands share, under the names that Docker Compose gives them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar

import click
from msgspec import Struct

from sbxcompose.cli import completion
from sbxcompose.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[Callable[..., Any]], Any]
"""Decorates a command, as `click.option` does."""

names_argument = click.argument("names", nargs=-1, metavar="[PROCESS]...", shell_complete=completion.PROCESSES)
sandboxes_argument = click.argument("sandboxes", nargs=-1, metavar="[SANDBOX]...", shell_complete=completion.SANDBOXES)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
no_color_option = click.option(
    "--no-color",
    is_flag=True,
    expose_value=False,
    callback=lambda context, parameter, value: _without_colors(context, value),
    help="Don't color output.",
)
no_deps_option = click.option("--no-deps", is_flag=True, help="Don't start dependencies.")


def _without_colors(context: click.Context, value: bool) -> None:
    if value:
        from sbxcompose.cli.context import Shell, choose_color

        choose_color("never")
        if isinstance(context.obj, Shell):
            context.obj.choose_styles()


class DurationType(click.ParamType[float]):
    """`90`, `1.5`, `500ms`, `1m30s` -> seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; a usage error for anything else."""
        if isinstance(value, int | float):
            return float(value)
        from sbxcompose.spec.units import parse_duration

        try:
            # A number alone has no sign and no exponent, and is neither infinite nor "nan".
            return float(value) if re.fullmatch(r"\d+(\.\d+)?|\.\d+", value, re.ASCII) else parse_duration(value)
        except ValueError as error:
            self.fail(f"invalid duration `{value}`; examples: `90s`, `500ms`, `1m30s`", param, ctx)
            raise AssertionError from error


timeout_option = click.option(
    "-t",
    "--timeout",
    "grace",
    type=DurationType(),
    metavar="DURATION",
    help="Kill processes that have not stopped after this time, such as `5s` (overrides `stop.grace`).",
)


def wait_options(command: F) -> F:
    """Return the options of `start` and `restart` that wait for the verdict, as those of `up` do."""
    limit = click.option(
        "--wait-timeout",
        type=DurationType(),
        metavar="DURATION",
        help="Stop waiting for the verdict of --wait after this time, such as `90s` (exit code 124).",
    )
    wait = click.option(
        "--wait", is_flag=True, help="Wait until they are ready, and one-shots (`restart: never`) have completed."
    )
    return wait(limit(command))


class ScaleType(click.ParamType[tuple[str, int]]):
    """`web=3` -> ("web", 3)."""

    name = "scale"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the process and its number; a usage error for anything else."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([^=]+)=(\d{1,4})", value)
        if found is None:
            self.fail(f"invalid value `{value}`; expected PROCESS=NUMBER, for example `web=3`", param, ctx)
        return found[1], int(found[2])


class Foreground(Struct, frozen=True):
    """How the command is run, where that differs from the process it is run beside."""

    env: tuple[str, ...] = ()
    workdir: str | None = None
    user: str | None = None
    detach: bool = False
    tty: bool | None = None
    """A terminal of its own; None: if standard input and output are terminals."""
    interactive: bool = True
    """Our standard input is the command's."""

    @property
    def on_terminal(self) -> bool:
        """Whether the command gets a terminal of its own."""
        import os

        if self.detach:
            return False
        return os.isatty(0) and os.isatty(1) if self.tty is None else self.tty


def without_separator(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command of `exec web -- ls`: a `--` behind the name is a habit from other tools, and means nothing."""
    return arguments[1:] if arguments[:1] == ("--",) else arguments


def refuse_late_options(words: tuple[str, ...]) -> None:
    """Raise `UsageError` for the command of `run web --no-deps`: it would be looked for in vain."""
    if words and words[0].startswith("-"):
        hint = "options stand before the name of the process; everything behind it is the command"
        raise UsageError(f"`{words[0]}` is not a command", hint=hint)


detach_option = click.option("-d", "--detach", is_flag=True, help="Run in the background and print the PID.")


def grouped(into: str, make: Callable[..., object], names: Iterable[str], options: Sequence[Option]) -> Option:
    """Return a decorator for these options. The command gets the values of those `names` that it has as one argument,
    `into`, which `make` makes of them.
    """
    names = tuple(names)

    def decorate(command: Callable[..., Any]) -> Any:
        @wraps(command)
        def gathered(*args: Any, **values: Any) -> Any:
            group = {name: values.pop(name) for name in names if name in values}
            return command(*args, **{into: make(**group)}, **values)

        wrapped: Any = gathered
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


foreground_options = grouped(
    "how",
    Foreground,
    Foreground.__struct_fields__,
    (
        click.option(
            "-e", "--env", "env", multiple=True, metavar="KEY=VALUE", help="Set an environment variable (repeatable)."
        ),
        click.option("-w", "--workdir", metavar="DIR", help="Set the working directory."),
        click.option("-u", "--user", metavar="USER", help="Run as this user: name, uid or uid:gid."),
        click.option(
            "-t/-T",
            "--tty/--no-tty",
            "tty",
            default=None,
            help="Allocate a terminal (default: if stdin and stdout are terminals).",
        ),
        click.option(
            "-i/",
            "--interactive/--no-interactive",
            "interactive",
            default=True,
            help="Forward standard input (default) or not.",
        ),
    ),
)
"""The options of `exec`, `run` and `shell`; the command gets them, and `detach_option` if it has that, as `how`."""


def up_options(command: F) -> F:
    """Return the options that say what `up` (or `plan`) is to bring about."""
    for option in reversed(
        (
            no_deps_option,
            click.option("--force-recreate", is_flag=True, help="Restart processes even if nothing changed."),
            click.option("--always-recreate-deps", is_flag=True, help="Restart dependencies even if nothing changed."),
            click.option(
                "--no-recreate", is_flag=True, help="Leave running processes alone even if the file has changed."
            ),
            click.option("--remove-orphans", is_flag=True, help="Stop processes that are no longer in the file."),
            click.option(
                "--recreate-sandboxes",
                is_flag=True,
                help="Replace sandboxes that differ from the file; destroys their data.",
            ),
            click.option(
                "--scale",
                multiple=True,
                type=ScaleType(),
                metavar="PROCESS=N",
                shell_complete=completion.SCALES,
                help="Set the number of replicas (`all=N`: of every process).",
            ),
        )
    ):
        command = option(command)
    return command
