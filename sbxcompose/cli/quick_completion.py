"""Shell completion without importing click: commands, options, and what their values and arguments can be.

A line with a mistake is left to `cli.completion`, which answers in the same way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from sbxcompose.cli.command_names import COMMANDS, VARIABLE
from sbxcompose.cli.quick_line import CommandLevel, Parameter, read_line, split_line, subcommands
from sbxcompose.cli.quick_values import GLOBAL_OPTIONS, Answer, ValueRequest, values

_BREAKS = "=:"
"""Characters at which bash begins another word (COMP_WORDBREAKS)."""


def quick_answer(environ: Mapping[str, str]) -> str | None:
    """Return what is to be printed for the shell's script; None if this request is not for here."""
    shell, _, wish = environ.get(VARIABLE, "").partition("_")
    if wish != "complete" or shell not in ("bash", "zsh", "fish"):
        return None
    given, incomplete = words_of(shell, environ)
    found = _found(given, incomplete)
    if found is None:
        return None
    cut = (
        len(incomplete) - len(current) if incomplete.endswith(current := environ.get("COMP_CURRENT", incomplete)) else 0
    )
    return "".join(_shown(shell, answer, cut) for answer in found)


def words_of(shell: str, environ: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the words after the program's name that are complete, and the one that is not.

    Our scripts give the line up to the cursor; those of click, for bash and zsh, all words and which of them it is.
    """
    words, unfinished = split_line(environ.get("COMP_WORDS", ""))
    at = environ.get("COMP_CWORD", "")
    if shell != "fish" and at.isdecimal():
        return words[1 : int(at)], words[int(at)] if int(at) < len(words) else ""
    incomplete = words.pop() if unfinished and words else ""
    return words[1:], incomplete


def _found(given: list[str], incomplete: str) -> list[Answer] | None:
    """Return what can stand here; None if the line has a mistake."""
    levels = read_line(given)
    if levels is None:
        return None
    level = levels[-1]
    if level.pending is not None:
        return _values(levels, level.pending, incomplete)
    if incomplete.startswith("-") and not level.ended:
        return _option(levels, incomplete)
    if len(levels) == 1:
        # Without a beginning of a command that matches, click offers options.
        return _commands({name: text for name, (_, text) in COMMANDS.items()}, incomplete) or None
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


def print_quick_answer() -> bool:
    """Answer a request of the shell's script if that can be done quickly."""
    answer = quick_answer(os.environ)
    if answer is None:
        _prepare_for_click()
        return False
    sys.stdout.write(answer)
    return True


def _prepare_for_click() -> None:
    """Give click the place of the incomplete word, which our scripts leave to us."""
    shell = os.environ.get(VARIABLE, "").partition("_")[0]
    given, incomplete = words_of(shell, os.environ)
    os.environ.setdefault("COMP_CWORD", incomplete if shell == "fish" else str(len(given) + 1))
