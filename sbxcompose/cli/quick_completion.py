"""Shell completion where it is needed most: commands, options and names of processes, without importing click.

Everything else (values of options, quoted words) is answered by `cli.completion`, in the same way.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from sbxcompose.cli.command_names import COMMANDS, ROOT, VARIABLE, WITH_ONE_PROCESS, WITH_PROCESSES

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@%+-")
"""The characters of words that mean the same in every shell, and to click."""


def quick_answer(environ: Mapping[str, str]) -> str | None:
    """Return what is to be printed for the shell's script; None if this request is not for here."""
    shell, _, wish = environ.get(VARIABLE, "").partition("_")
    if wish != "complete" or shell not in ("bash", "zsh", "fish"):
        return None
    words = environ.get("COMP_WORDS", "").split()[1:]
    place = environ.get("COMP_CWORD", "")
    if shell == "fish":
        given, incomplete = (words[:-1] if place and words[-1:] == [place] else words), place
    elif place.isdecimal() and int(place) > 0:
        at = int(place) - 1
        given, incomplete = words[:at], words[at] if at < len(words) else ""
    else:
        return None
    if not all(_PLAIN.issuperset(word) for word in (*given, incomplete)):
        return None
    found = _found(given, incomplete)
    return None if found is None else "".join(_shown(shell, value, text) for value, text in found)


def _found(given: list[str], incomplete: str) -> list[tuple[str, str]] | None:
    """Return the names that can stand here, with what they mean; None if that is not known here."""
    if not given and not incomplete.startswith("-"):
        return [(name, text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)] or None
    options = CommandOptions(given)
    names = options.arguments(given)
    if names is None:
        return None
    if incomplete.startswith("-"):
        return options.starting_with(incomplete)
    command = given[0]
    if command in WITH_PROCESSES or (command in WITH_ONE_PROCESS and not names):
        taken = names if command in WITH_PROCESSES else ()
        known = dict.fromkeys(_process_names())
        return [(name, "") for name in known if name.startswith(incomplete) and name not in taken]
    return None


class CommandOptions:
    """The options of the command that a line begins with, from the table that is made of the commands themselves."""

    def __init__(self, given: list[str]) -> None:
        command, two = given[0] if given else ROOT, " ".join(given[:2])
        with open(os.path.join(os.path.dirname(__file__), "options.tsv"), encoding="utf-8") as table:
            lines = [line.rstrip("\n").split("\t") for line in table if line.startswith((f"{command}\t", f"{two}\t"))]
        self._command = two if any(line[0] == two for line in lines) else command
        mine = [line[1:] for line in lines if line[0] == self._command]
        self._stops = any(kind == "stops" for _, kind, _ in mine)
        self._options = [(names.split(), kind, text) for names, kind, text in mine if kind != "stops"]
        self._seen: set[str] = set()

    def arguments(self, given: list[str]) -> list[str] | None:
        """Return the words after the command that are no options; None if the next word cannot be told from here."""
        words = iter(given[len(self._command.split()) :] if given else ())
        found = []
        for word in words:
            if not word.startswith("-"):
                found.append(word)
                continue
            option = next((option for option in self._options if word in option[0]), None)
            if option is None or (found and self._stops):
                return None
            self._seen.update(option[0])
            if option[1].endswith("value") and next(words, None) is None:
                return None
        return None if found and self._stops else found

    def starting_with(self, incomplete: str) -> list[tuple[str, str]]:
        """Return the options that can still be given, with their help."""
        return [
            (name, text)
            for names, kind, text in self._options
            if kind.startswith("many") or not self._seen.intersection(names)
            for name in names
            if name.startswith(incomplete)
        ]


def _process_names() -> Iterable[str]:
    from sbxcompose.cli import quick_names

    known = quick_names.recall(os.environ)
    if known is not None:
        return known
    from sbxcompose.cli.context import GlobalOptions, Shell
    from sbxcompose.errors import SbxError

    looked_at: set[str] = set()
    try:
        project = Shell(GlobalOptions(), completing=True).project(looked_at=looked_at)
    except SbxError:
        return ()
    names = [process.name for process in project.every_process()]
    quick_names.remember(os.environ, looked_at, names)
    return names


def _shown(shell: str, value: str, text: str) -> str:
    match shell:
        case "bash":
            return f"plain,{value}\n"
        case "zsh":
            return f"plain\n{value}\n{text or '_'}\n"
        case _:
            return f"plain,{value}\t{text}\n" if text else f"plain,{value}\n"


def print_quick_answer() -> bool:
    """Answer a request of the shell's script if that can be done quickly."""
    answer = quick_answer(os.environ)
    if answer is None:
        return False
    sys.stdout.write(answer)
    return True
