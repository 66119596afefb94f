"""What `init` reads of a repository, and what it finds there; pure, apart from what `RepositoryFiles` returns."""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from sbxcompose.convert.draft import ConvertNote, NoteKind


class RepositoryFiles(Struct, frozen=True):
    """A project's files: `read` returns a file's text, `names` the names in a folder; both by path in the project."""

    read: Callable[[str], str | None]
    names: Callable[[str], list[str]]

    def has(self, path: str) -> bool:
        """Return whether there is such a file or folder."""
        folder, name = posixpath.split(path)
        return name in self.names(folder or ".")


class FoundProcess(Struct, frozen=True):
    """A process that the repository can run, and where that is known from."""

    name: str
    command: str
    because: str
    keys: dict[str, Any] = {}
    todo: str = ""
    """What a person has to do before it runs."""
    proposed: bool = True
    """Whether it is started; otherwise the file names it in a comment."""


class Manifests:
    """The manifests of a repository as values; those that cannot be parsed are noted, and count as absent."""

    def __init__(self, files: RepositoryFiles, notes: list[ConvertNote]) -> None:
        self.files = files
        self._notes = notes

    def json(self, path: str) -> dict[str, Any] | None:
        """Return a JSON file that is an object."""
        return self._parsed(path, json.loads)

    def toml(self, path: str) -> dict[str, Any] | None:
        """Return a TOML file."""
        return self._parsed(path, tomllib.loads)

    def _parsed(self, path: str, parse: Callable[[str], Any]) -> dict[str, Any] | None:
        text = self.files.read(path)
        if text is None:
            return None
        try:
            value = parse(text)
        except ValueError as error:
            # Both parsers end their messages with the place; tomllib of Python 3.11 has it nowhere else.
            line = re.search(r"line (\d+)", str(error))
            place = int(line[1]) if line is not None else len(text.splitlines()) or 1  # "at end of document"
            self._note(path, f"cannot be parsed and is ignored: {error}", place)
            return None
        except RecursionError:
            self._note(path, "is nested too deeply and is ignored", 0)
            return None
        return value if isinstance(value, dict) else None

    def _note(self, path: str, text: str, line: int) -> None:
        self._notes.append(ConvertNote(NoteKind.MANUAL, path, text, line, path))


def table(value: Any, *path: str) -> dict[str, Any]:
    """Return the mapping below nested keys; an empty one if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
