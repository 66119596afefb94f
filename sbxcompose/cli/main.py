"""The command line: its commands, its errors, its exit codes.

Commands live one to a file in `cli.commands` and are imported when they are called, because start-up time is a
feature. Everything that can go wrong ends here as a message and an exit code.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from sbxcompose.cli import completion
from sbxcompose.cli.command_names import COMMANDS
from sbxcompose.cli.context import GlobalOptions, Shell, choose_color
from sbxcompose.errors import NotWritten, SbxError

ISSUES = "https://github.com/sbxcompose/sbxcompose/issues"

LENIENT_COMMANDS = frozenset(
    (
        "attach",
        "doctor",
        "down",
        "events",
        "kill",
        "logs",
        "pause",
        "ps",
        "stats",
        "stop",
        "top",
        "unpause",
        "wait",
        "why",
    )
)
"""Commands that only look at what runs, or stop it: variables that cannot be had do not keep them from that."""

HEADINGS = {"Start": "Start and stop", "Run": "Run and connect", "File": "Project file", "Host": "Host and tools"}
"""Headings in the help of groups of commands, where they are not the groups' names."""

EPILOG = """\b
Getting started:
  sbxcompose up            start everything, follow logs; Ctrl-C stops it
  sbxcompose up -d         the same in the background
  sbxcompose logs -f web   follow one process
  sbxcompose why web       find out what is wrong with it
  sbxcompose down          stop everything

Exit codes: 0 success, 1 a process failed or did not become ready, 2 invalid
file or command line, 3 the provider is unreachable or refused, 124 timed out,
130 interrupted; exec, run and shell return the exit code of the command."""


class HelpContext(click.Context):
    """A context whose help fits narrow terminals."""

    def make_formatter(self) -> click.HelpFormatter:
        """Return what lays a page out."""
        from sbxcompose.cli.help_page import HelpPage

        return HelpPage(width=self.terminal_width, max_width=self.max_content_width)


class CommandGroup(click.Group):
    """The commands, each imported when it is wanted."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"sbxcompose.cli.commands.{cmd_name}_")
        command: click.Command = module.command
        _add_examples(cmd_name, command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with, or say which one may have been meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from sbxcompose.cli.usage import unknown_command

            raise unknown_command(name, COMMANDS, following=args[1:])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by what they are for, without importing them."""
        for group in dict.fromkeys(group for group, _ in COMMANDS.values()):
            with formatter.section(HEADINGS.get(group, group)):
                formatter.write_dl([(name, text) for name, (of, text) in COMMANDS.items() if of == group], col_max=12)


def _add_examples(name: str, command: click.Command) -> None:
    from sbxcompose.cli.examples import epilog

    command.context_class = HelpContext
    command.epilog = command.epilog or epilog(name)
    for sub, subcommand in getattr(command, "commands", {}).items():
        subcommand.context_class = HelpContext
        subcommand.epilog = epilog(f"{name} {sub}")


@click.command(cls=CommandGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    shell_complete=completion.FILES,
    help="Read this file (repeatable; later ones override earlier ones).",
)
@click.option("-p", "--project-name", metavar="NAME", help="Set the project's name.")
@click.option(
    "--project-directory",
    metavar="DIR",
    shell_complete=completion.DIRECTORIES,
    help="Search for the file from this directory upwards.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.PROFILES,
    help="Enable a profile (repeatable; `*` enables all).",
)
@click.option(
    "--env-file",
    "env_files",
    multiple=True,
    metavar="FILE",
    shell_complete=completion.FILES,
    help="Read variables from this file instead of `.env` (repeatable).",
)
@click.option(
    "--provider",
    metavar="NAME",
    shell_complete=completion.PROVIDERS,
    help="Set where sandboxes live: `local` or `tensorlake`.",
)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Control colored output.")
@click.option("--no-color", is_flag=True, help="Don't color output.")
@click.version_option(
    None,
    "-V",
    "--version",
    package_name=None,
    message="",
    is_eager=True,
    expose_value=False,
    callback=lambda c, p, v: _version(c, v),
)
@click.pass_context
def cli(ctx: click.Context, /, color: str, no_color: bool, **options: Any) -> None:
    """Bring up the sandboxes and processes that a project's `sbxcompose.yaml` (or Procfile) describes.

    `up` starts what is missing, in dependency order, and follows all logs in one stream; what is already up to date is
    left running. No account is needed: by default everything runs on this machine.

    A PROCESS is `web`, `app/web`, `web.2` for a replica, or a pattern where several can be named: `'api/*'`.
    """
    choose_color("never" if no_color else color)
    name = ctx.invoked_subcommand or "COMMAND"
    ctx.obj = Shell(GlobalOptions(**options), command=name, lenient=name in LENIENT_COMMANDS)


def _version(ctx: click.Context, value: bool) -> None:
    from sbxcompose.version import __version__

    if value:
        click.echo(f"sbxcompose {__version__}")
        ctx.exit()


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code. Raises only `NotWritten`."""
    try:
        # Not `cli.main`: that has its own ideas of what ends a command, and of the exit codes.
        with cli.make_context("sbxcompose", list(arguments)) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except NotWritten:
        raise
    except SbxError as error:
        _report(error)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _misused(error, arguments)
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if os.environ.get("SBXCOMPOSE_DEBUG"):
            raise
        _report(_defect(error))
        return 1


def _misused(error: click.ClickException, arguments: Sequence[str]) -> int:
    """Show what click has found wrong with the command line; the exit code."""
    from sbxcompose.cli.usage import from_click

    if type(error).__name__ == "NoArgsIsHelpError":  # a name that click has only since version 8.2
        error.show()
    else:
        _report(from_click(error, next((word for word in arguments if word in COMMANDS), None)))
    return 2


def _defect(error: Exception) -> SbxError:
    """Turn an unexpected exception into an error without a traceback that still names its place."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    place = f" ({os.path.basename(frames.tb_frame.f_code.co_filename)}:{frames.tb_lineno})" if frames else ""
    return SbxError(
        f"internal error: {type(error).__name__}: {error}{place}",
        hint=f"please report it at {ISSUES}; SBXCOMPOSE_DEBUG=1 shows the traceback",
    )


def _report(error: SbxError) -> None:
    from sbxcompose.cli.view.errors import show_error

    sys.stdout.flush()
    show_error(error)
