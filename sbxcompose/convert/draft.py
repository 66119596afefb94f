"""What a converter produces: a project in the making, and notes on what a person has to know about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from sbxcompose.spec.nodes import Node


class NoteKind(StrEnum):
    """What a note is about; completes "3 keys …"."""

    CHANGED = "changed"
    """It is expressed in another way, which may matter."""
    DROPPED = "dropped"
    """It has no counterpart, and nothing is lost that the processes need."""
    MANUAL = "to do"
    """A person has to complete it."""


class ConvertNote(Struct, frozen=True):
    """One remark: on what, what it means, and where in the source (line 0: nowhere in particular)."""

    kind: NoteKind
    subject: str
    text: str
    line: int = 0
    file: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


class ProjectDraft(Struct):
    """A project file in the making: plain values in the order in which they are written."""

    top: dict[str, Any] = field(default_factory=dict)
    processes: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[ConvertNote] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    """Remarks for the readers of the file, by process."""
    others: list[str] = field(default_factory=list)
    """What could run as well, for a comment at the end of the file."""

    def note(self, kind: NoteKind, subject: str, text: str, node: Node | None = None) -> None:
        """Add a note, at the place of `node`."""
        if node is None:
            self.notes.append(ConvertNote(kind, subject, text))
        else:
            self.notes.append(ConvertNote(kind, subject, text, node.line, node.document.name))

    def process(self, name: str) -> ProcessDraft:
        """Begin a process; its notes are about `name`."""
        return ProcessDraft(self, name, self.processes.setdefault(name, {}))


class ProcessDraft:
    """One process in the making."""

    def __init__(self, draft: ProjectDraft, name: str, keys: dict[str, Any]) -> None:
        self._draft = draft
        self.name = name
        self.keys = keys

    def set(self, key: str, value: Any) -> None:
        """Set a key, unless there is nothing to say: None and empty values are left out."""
        if value not in (None, "", [], {}):
            self.keys[key] = value

    def set_env(self, values: Mapping[str, str | None], node: Node | None = None) -> None:
        """Set variables, without those whose names a variable cannot have."""
        for name in values:
            if not name or re.search(r"[=\s\0]", name):
                self.todo("environment", f"`{name}` is an invalid variable name, and is left out", node)
        self.set("env", {name: value for name, value in values.items() if name and not re.search(r"[=\s\0]", name)})

    def note(self, kind: NoteKind, key: str, text: str, node: Node | None = None) -> None:
        """Add a note on one key of the source."""
        self._draft.note(kind, f"{self.name}.{key}" if key else self.name, text, node)

    def changed(self, key: str, text: str, node: Node | None = None) -> None:
        """Note that a key is expressed in another way."""
        self.note(NoteKind.CHANGED, key, text, node)

    def dropped(self, key: str, text: str, node: Node | None = None) -> None:
        """Note that a key has no counterpart."""
        self.note(NoteKind.DROPPED, key, text, node)

    def mentions(self, path: str) -> bool:
        """Return whether the command, or a note on the process, names a path of the project."""
        notes = (note.text for note in self._draft.notes if note.subject.partition(".")[0] == self.name)
        named = re.compile(rf"(?:^|[\s\"'=:`]|PWD/|\./){re.escape(path)}(?![\w.-])")
        command = self.keys.get("command", "")
        return any(
            named.search(words) for words in (command if isinstance(command, str) else " ".join(command), *notes)
        )

    def todo(self, key: str, text: str, node: Node | None = None) -> None:
        """Note that a person has to complete something."""
        self.note(NoteKind.MANUAL, key, text, node)


REPLACE = "echo '{name}: replace this command in sbxcompose.yaml ({reason})' >&2; exit 1"


def placeholder(name: str, reason: str) -> str:
    """Return a command that fails with a clear message, for a process whose command cannot be derived."""
    return REPLACE.format(name=name, reason=reason.replace("'", "").replace("$", "$$"))
