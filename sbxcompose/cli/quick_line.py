"""A command line up to the cursor, read as click reads it: what has been given, and what comes next.

Imports nothing that takes long, for completion. What commands take is in `options.tsv`, which is made from the commands
themselves.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from sbxcompose.cli.command_names import ROOT

_BLANKS = " \t\n"


def split_line(line: str) -> tuple[list[str], bool]:
    """Split a line into words as a shell does; the second value tells whether the last word is being typed."""
    words: list[str] = []
    word, inside, quote, escaped = "", False, "", False
    for char in line:
        if escaped:
            word, escaped = word + char, False
        elif char == "\\" and quote != "'":
            escaped = inside = True
        elif quote:
            word, quote = (word, "") if char == quote else (word + char, quote)
        elif char in "\"'":
            quote, inside = char, True
        elif char not in _BLANKS:
            word, inside = word + char, True
        elif inside:
            words.append(word)
            word, inside = "", False
    return [*words, *([word] if inside else [])], inside


class Parameter:
    """An option or an argument of a command, as a line of the table has it."""

    def __init__(self, names: str, kind: str, source: str, help_text: str) -> None:
        self.names = names.split()
        """The spellings of an option; none for an argument."""
        self.many = kind.startswith("many")
        self.has_value = not kind.endswith("flag")
        self.source = source
        """What its values are, as `quick_values` knows them."""
        self.help = help_text


class CommandLevel:
    """A command, and what the words after it give it."""

    def __init__(self, name: str) -> None:
        self.name = name
        rows = [row for row in _table() if row[0] == name]
        self.known = bool(rows)
        self._stops = any(kind == "stops" for _, _, kind, *_ in rows)
        found = [Parameter(*row[1:]) for row in rows if row[2] not in ("stops", "command")]
        self.options = [parameter for parameter in found if parameter.names]
        self._arguments = [parameter for parameter in found if not parameter.names]
        self.values: dict[Parameter, list[str]] = {}
        """The values of each parameter that has been given."""
        self.words: list[str] = []
        """The arguments, without options and their values."""
        self.pending: Parameter | None = None
        """The option whose value is still missing."""
        self.ended = False
        """Whether what comes next cannot be an option."""

    def option(self, name: str) -> Parameter | None:
        """Return the option of that name."""
        return next((option for option in self.options if name in option.names), None)

    def argument(self) -> Parameter | None:
        """Return the argument that comes next."""
        if len(self.words) < len(self._arguments):
            return self._arguments[len(self.words)]
        return self._arguments[-1] if self._arguments and self._arguments[-1].many else None

    def read(self, words: Iterator[str]) -> str | None:
        """Read options and arguments; return the command that follows in a group of them.

        An option that the command does not have is passed over: what follows it can still be completed.
        """
        for word in words:
            if self.pending is not None:
                self._give(self.pending, word)
            elif self.ended or not word.startswith("-") or word == "-":
                if not self._arguments:
                    return word
                parameter = self.argument()
                self.words.append(word)
                self.ended = self.ended or self._stops
                if parameter is not None:
                    self._give(parameter, word)
            elif word == "--":
                self.ended = True
            else:
                self._read_option(word)
        return None

    def _give(self, parameter: Parameter, word: str) -> None:
        self.values.setdefault(parameter, []).append(word)
        self.pending = None

    def _read_option(self, word: str) -> None:
        name, equals, value = word.partition("=")
        option = self.option(name)
        if option is not None:
            self._begin(option, value if equals else None)
        elif not word.startswith("--"):
            self._read_letters(word)

    def _read_letters(self, word: str) -> None:
        """Read `-dw`, or `-n5`."""
        for at, letter in enumerate(word[1:], 2):
            option = self.option(f"-{letter}")
            if option is None:
                continue
            self._begin(option, word[at:] or None)
            if option.has_value:
                break

    def _begin(self, option: Parameter, value: str | None) -> None:
        self.values.setdefault(option, [])
        if option.has_value and value is None:
            self.pending = option
        elif option.has_value:
            self._give(option, value or "")


def read_line(words: list[str]) -> list[CommandLevel] | None:
    """Return the levels of a line: the program itself, a command, and a command of that one; None if it is unknown."""
    levels, rest, name = [CommandLevel(ROOT)], iter(words), ""
    while (command := levels[-1].read(rest)) is not None:
        name = f"{name} {command}".lstrip()
        levels.append(CommandLevel(name))
        if not levels[-1].known:
            return None
    return levels


def subcommands(name: str) -> dict[str, str]:
    """Return the commands of a group of commands by name, with what they are for."""
    below = [row for row in _table() if row[0].startswith(f"{name} ") and row[2] == "command"]
    return {row[0].removeprefix(f"{name} "): row[4] for row in below}


_rows: list[list[str]] = []


def _table() -> list[list[str]]:
    if not _rows:
        with open(os.path.join(os.path.dirname(__file__), "options.tsv"), encoding="utf-8") as table:
            _rows.extend(line.rstrip("\n").split("\t") for line in table)
    return _rows
