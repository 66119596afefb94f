"""Mistakes on the command line in the style of all other errors: what click finds, with a way out.

Imported only when there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from sbxcompose.errors import UsageError
from sbxcompose.spec.similar import did_you_mean

_ELSEWHERE = {
    **dict.fromkeys(("list", "status", "state", "jlist", "images"), "`sbxcompose ps` lists what runs"),
    "stat": "`sbxcompose stats` shows CPU and memory",
    "projects": "`sbxcompose ls` lists all projects",
    **dict.fromkeys(("build", "pull", "push", "create"), "nothing has to be prepared: `sbxcompose up` starts"),
    **dict.fromkeys(("rm", "remove", "delete", "destroy"), "`sbxcompose down` stops, `down --terminate` also deletes"),
    **dict.fromkeys(("shutdown", "quit", "halt"), "`sbxcompose down` stops the project"),
    **dict.fromkeys(("ssh", "sh", "bash", "enter", "console"), "`sbxcompose shell` opens a shell"),
    **dict.fromkeys(("tail", "output", "echo"), "`sbxcompose logs -f` follows the output"),
    **dict.fromkeys(("check", "validate", "lint", "show"), "`sbxcompose config` checks and shows the file"),
    **dict.fromkeys(("import", "migrate"), "`sbxcompose convert` converts the files of other tools"),
    **dict.fromkeys(("reload", "update", "apply", "deploy", "reread"), "`sbxcompose up` applies the file as it is now"),
    **dict.fromkeys(("diff", "dry-run"), "`sbxcompose plan` shows what `up` would do"),
    **dict.fromkeys(("resume", "unfreeze"), "`sbxcompose unpause` resumes"),
    **dict.fromkeys(("suspend", "freeze"), "`sbxcompose pause` suspends"),
    **dict.fromkeys(("inspect", "describe", "explain"), "`sbxcompose why` explains the state of a process"),
    **dict.fromkeys(("forward", "port-forward", "tunnel"), "`sbxcompose port` forwards a port"),
    **dict.fromkeys(("signal", "send"), "`sbxcompose kill -s` sends a signal"),
    **dict.fromkeys(("serve", "daemon", "server"), "`sbxcompose host serve` runs the host"),
    **dict.fromkeys(("connect", "fg"), "`sbxcompose attach` connects to a process"),
    **dict.fromkeys(("monit", "ui"), "`sbxcompose top` shows everything on the whole screen"),
    **dict.fromkeys(("env", "printenv"), "`sbxcompose exec PROCESS env` shows the variables of a process"),
    "analyze": "`sbxcompose why --timings` shows what the last `up` waited for",
    "copy": "`sbxcompose cp` copies files",
    "help": "`sbxcompose --help` lists the commands, `sbxcompose COMMAND --help` explains one",
    "info": "`sbxcompose doctor` shows the configuration",
    "process": "commands take names at once, for example `sbxcompose restart PROCESS`",
    "project": "`sbxcompose up` applies the file, `sbxcompose down` stops the project",
    "is-ready": "`sbxcompose wait` waits until processes are ready",
    **dict.fromkeys(("dependencies", "deps", "tree"), "`sbxcompose graph` shows which process needs which"),
    "compose": "leave it out: `sbxcompose up` starts",
}
"""What commands of other tools are called here."""

_NO_VOLUMES = "leave it out; `sbxcompose down --terminate` deletes the sandboxes with their data"
_OPTIONS_ELSEWHERE = {
    "--rm": "leave it out: a command that was run leaves nothing behind",
    **dict.fromkeys(("--build", "--no-build"), "leave it out: nothing is built here"),
    **dict.fromkeys(("--pull", "--quiet-pull"), "leave it out: nothing is pulled here"),
    "--rmi": "leave it out: there are no images here",
    "--renew-anon-volumes": "leave it out: there are no volumes here",
    "config --volumes": "leave it out: there are no volumes here",
    "config --images": "leave it out: there are no images here",
    "config --format": "`--json` writes JSON",
    "ps --services": "`sbxcompose config --services` prints the names of the processes",
    "ps -o": "`-l` shows more, `--format` and `--json` set the format",
    "up --keep-project": "`-d` runs everything in the background until `sbxcompose down`",
    "up -D": "`-d` runs everything in the background",
    "--volumes": _NO_VOLUMES,
    "-v": _NO_VOLUMES,
    "--follow": "`up` follows the output unless `-d` is given; `sbxcompose logs -f` follows it later",
    "--dry-run": "`sbxcompose plan` shows what `up` would do",
    "--config": "`sbxcompose -f FILE` names the file",
    "--verbose": "`sbxcompose why` explains, `SBXCOMPOSE_DEBUG=1` shows tracebacks",
}
"""What options of other tools are answered with, where a command has none that is similar: of all or of one."""


def unknown_command(name: str, known: Iterable[str], parent: str = "sbxcompose") -> UsageError:
    """Return the error for a command that does not exist."""
    # What another tool means by a word counts for more than how the word is spelled: `status` is not `stats`.
    elsewhere = _ELSEWHERE.get(name) if parent == "sbxcompose" else None
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
        return UsageError(f"missing {_parameter(error)}", hint=hint)
    if isinstance(error, click.BadParameter):
        return UsageError(_bad_value(error), hint=hint)
    if context is not None and isinstance(context.command, click.Group) and "No such command" in error.message:
        name: str = (re.findall(r"'([^']*)'", error.message) or [""])[0]
        return unknown_command(name, context.command.list_commands(context), path)
    return UsageError(_plain(error.message), hint=hint)


def _unknown_option(name: str, context: click.Context | None, path: str) -> UsageError:
    message = f"no option `{name}` for `{path}`"
    root = context.find_root() if context is not None else None
    for option in root.command.params if root is not None and root is not context else ():
        if name in (*option.opts, *option.secondary_opts):
            value = f" {option.metavar}" if option.metavar else ""
            called = path.removeprefix("sbxcompose ")
            return UsageError(message, hint=f"it stands before the command: `sbxcompose {name}{value} {called}`")
    otherwise = f"`{path} --help` lists the options"
    elsewhere = _OPTIONS_ELSEWHERE.get(f"{path.removeprefix('sbxcompose ')} {name}", _OPTIONS_ELSEWHERE.get(name))
    if elsewhere is not None or not name.startswith("--"):
        return UsageError(message, hint=elsewhere or otherwise)
    own = [spelling for option in (context.command.params if context is not None else ()) for spelling in option.opts]
    return UsageError(message, hint=did_you_mean(name, own, otherwise))


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
