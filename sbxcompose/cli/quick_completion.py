"""Shell completion without importing click: commands, options, and what their values and arguments can be.

Nothing is asked of a host or a cloud: completion must answer while a person types. The numbers of runs are read from
the files of this machine's host. A file with mistakes completes nothing, and says nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from sbxcompose.cli.command_names import COMMANDS, VARIABLE
from sbxcompose.cli.quick_line import CommandLevel, Parameter, read_line, split_line, subcommands
from sbxcompose.cli.quick_values import GLOBAL_OPTIONS, Answer, ValueRequest, values


def quick_answer(environ: Mapping[str, str]) -> str | None:
    """Return what is to be printed for the shell's script; None for another request."""
    shell, _, wish = environ.get(VARIABLE, "").partition("_")
    if wish != "complete" or shell not in ("bash", "zsh", "fish"):
        return None
    words, unfinished = split_line(environ.get("COMP_WORDS", ""))
    incomplete = words.pop() if unfinished else ""
    # In bash only what stands behind the last break of the word (COMP_WORDBREAKS) is replaced.
    current = environ.get("COMP_CURRENT", incomplete)
    cut = len(incomplete) - len(current) if incomplete.endswith(current) else 0
    return "".join(_shown(shell, answer, cut) for answer in _found(words[1:], incomplete))


def _found(given: list[str], incomplete: str) -> list[Answer]:
    """Return what can stand here; nothing behind a command that is unknown."""
    levels = read_line(given)
    if levels is None:
        return []
    level = levels[-1]
    if level.pending is not None:
        return _values(levels, level.pending, incomplete)
    if incomplete.startswith("-") and not level.ended:
        return _option(levels, incomplete)
    if len(levels) == 1:
        return _commands({name: text for name, (_, text) in COMMANDS.items()}, incomplete)
    if level.argument() is None:
        return _commands(subcommands(level.name), incomplete)
    return _values(levels, level.argument(), incomplete)


def _option(levels: list[CommandLevel], incomplete: str) -> list[Answer]:
    """Return the options that can still be given, or the values behind `--option=`."""
    level = levels[-1]
    name, equals, value = incomplete.partition("=")
    if equals:
        found = _values(levels, level.option(name), value)
        return [(kind, f"{name}={word}" if kind == "plain" else word, text) for kind, word, text in found]
    return [
        ("plain", name, option.help)
        for option in level.options
        if option.many or option not in level.values
        for name in option.names
        if name.startswith(incomplete)
    ]


def _commands(known: Mapping[str, str], incomplete: str) -> list[Answer]:
    return [("plain", name, text) for name, text in known.items() if name.startswith(incomplete)]


def _values(levels: list[CommandLevel], parameter: Parameter | None, incomplete: str) -> list[Answer]:
    if parameter is None or not parameter.source:
        return []
    level = levels[-1]
    taken: Iterable[str] = level.values.get(parameter, ()) if parameter.many else ()
    return values(parameter.source, incomplete, ValueRequest(_global_options(levels[0]), taken, level.words))


def _global_options(root: CommandLevel) -> dict[str, object]:
    """Return which project is meant, as `GlobalOptions` has it."""
    found: dict[str, object] = {}
    for option, given in root.values.items():
        field = next((GLOBAL_OPTIONS[name] for name in option.names if name in GLOBAL_OPTIONS), None)
        if field is not None and given:
            found[field] = tuple(given) if option.many else given[-1]
    return found


def _shown(shell: str, answer: Answer, cut: int) -> str:
    """Return an answer as the shell's script reads it; in bash without what stands before the part that is replaced."""
    kind, value, text = answer
    match shell:
        case "bash":
            return f"{kind},{value[cut:] if kind == 'plain' else value}\n"
        case "zsh":
            shown = value.replace(":", r"\:") if text else value
            return f"{kind}\n{shown}\n{text or '_'}\n"
        case _:
            return f"{kind},{value}\t{text}\n" if text else f"{kind},{value}\n"


def print_answer() -> int:
    """Answer a request of the shell's script and return the exit code."""
    answer = quick_answer(os.environ)
    if answer is None:
        print(f"error: invalid value `{os.environ[VARIABLE]}` for {VARIABLE}", file=sys.stderr)
        print("hint: `sbxcompose completion SHELL` prints the script that sets it", file=sys.stderr)
        return 2
    sys.stdout.write(answer)
    return 0
