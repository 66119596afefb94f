"""Mistakes on the command line in the style of all other errors: what click finds, with a way out.

Imported only when there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import click

from sbxcompose.cli.other_tools import COMMANDS_ELSEWHERE, LINES_OR_SCREEN, MISSING_ELSEWHERE, OPTIONS_ELSEWHERE
from sbxcompose.errors import UsageError
from sbxcompose.similar import did_you_mean


def unknown_command(
    name: str, known: Iterable[str], parent: str = "sbxcompose", following: Sequence[str] = ()
) -> UsageError:
    """Return the error for a command that does not exist; `following` are the words after it."""
    # What another tool means by a word counts for more than how the word is spelled: `status` is not `stats`.
    elsewhere = None
    if parent == "sbxcompose":
        words = " ".join((name, *following[:1]))
        elsewhere = COMMANDS_ELSEWHERE.get(words, COMMANDS_ELSEWHERE.get(name))
    hint = elsewhere or did_you_mean(name, known, f"`{parent} --help` lists the commands")
    return UsageError(f"no command named `{name}`", hint=hint)


def from_click(error: click.ClickException, command: str | None = None) -> UsageError:
    """Return what click has found wrong, as one of our errors. `command`: whose arguments they are, if click does not
    know.
    """
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else " ".join(filter(None, ("sbxcompose", command)))
    hint = f"`{path} --help` shows what it takes"
    if isinstance(error, click.NoSuchOption):
        return _unknown_option(error.option_name, context, path)
    if isinstance(error, click.BadOptionUsage):
        reason = "takes no value" if "not take" in error.message else "needs a value"
        return UsageError(f"option `{error.option_name}` {reason}", hint=hint)
    if isinstance(error, click.MissingParameter):
        elsewhere = MISSING_ELSEWHERE.get(path.removeprefix("sbxcompose "))
        return UsageError(f"missing {_parameter(error)}", hint=elsewhere or hint)
    if isinstance(error, click.BadParameter):
        # `-t=false` is how process-compose is told to do without its screen.
        is_switch = re.search("`=(true|false)`", error.message) is not None
        return UsageError(_bad_value(error), hint=LINES_OR_SCREEN if is_switch else hint)
    if context is not None and isinstance(context.command, click.Group) and "No such command" in error.message:
        name: str = (re.findall(r"'([^']*)'", error.message) or [""])[0]
        return unknown_command(name, context.command.list_commands(context), path)
    return UsageError(_plain(error.message), hint=hint)


def _unknown_option(name: str, context: click.Context | None, path: str) -> UsageError:
    message = f"no option `{name}` for `{path}`"
    called = path.removeprefix("sbxcompose ")
    elsewhere = OPTIONS_ELSEWHERE.get(f"{called} {name}")
    if elsewhere is not None:
        return UsageError(message, hint=elsewhere)
    root = context.find_root() if context is not None else None
    for option in root.command.params if root is not None and root is not context else ():
        if name in (*option.opts, *option.secondary_opts):
            value = _placeholder(option)
            return UsageError(message, hint=f"it stands before the command: `sbxcompose {name}{value} {called}`")
    otherwise = f"`{path} --help` lists the options"
    elsewhere = OPTIONS_ELSEWHERE.get(name)
    if elsewhere is not None or not name.startswith("--"):
        return UsageError(message, hint=elsewhere or otherwise)
    own = [spelling for option in (context.command.params if context is not None else ()) for spelling in option.opts]
    return UsageError(message, hint=did_you_mean(name, own, otherwise))


def _placeholder(option: click.Parameter) -> str:
    """Return what stands for an option's value, after a blank; a choice has its values."""
    if isinstance(option.type, click.Choice):
        return f" {'|'.join(option.type.choices)}"
    return f" {option.metavar}" if option.metavar else ""


def _parameter(error: click.BadParameter) -> str:
    """`PROCESS`, or an option's name in backticks."""
    if error.param is None:
        return "a value"
    if isinstance(error.param, click.Argument):
        found = re.search(r"[A-Z]+", error.param.metavar or "")
        return found[0] if found else "an argument"
    return f"`{max(error.param.opts, key=len)}`"


def _bad_value(error: click.BadParameter) -> str:
    """Return what is wrong with the value of an option or argument."""
    kind = error.param.type if error.param is not None else None
    found = re.match(r"'?(.*?)'? is not (?:a valid|in the range|one of)", error.message)
    wanted = _wanted(kind)
    if found is not None and wanted is not None:
        return f"invalid value `{found[1]}` for {_parameter(error)}; expected {wanted}"
    message = _plain(error.message)
    own = re.fullmatch(r"(invalid value `.*`)(; expected .*)", message)
    return f"{own[1]} for {_parameter(error)}{own[2]}" if own else f"{_parameter(error)}: {message}"


def _wanted(kind: click.ParamType[Any] | None) -> str | None:
    """Return what click's types take."""
    if isinstance(kind, click.Choice):
        words = [f"`{choice}`" for choice in kind.choices]
        return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    if not isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        return None
    wanted = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
    if isinstance(kind, click.IntRange | click.FloatRange):
        wanted += "" if kind.min is None else f" from {kind.min}"
        wanted += "" if kind.max is None else f" to {kind.max}"
    return wanted


def _plain(message: str) -> str:
    """Return a sentence of click's in our style: no capital, no full stop, backticks for quotes."""
    extra = re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", message)
    if extra:
        return f"unexpected argument `{extra[1].partition(' ')[0]}`"
    text = re.sub(r"'([^']*)'", r"`\1`", message).removesuffix(".")
    return text[:1].lower() + text[1:]
