"""Procfiles -> a draft of this project's file; pure."""

from __future__ import annotations

import re

from sbxcompose.convert.draft import ConvertNote, NoteKind, ProjectDraft
from sbxcompose.convert.values import escaped, plain_name
from sbxcompose.spec.nodes import Document, Scalar
from sbxcompose.spec.procfile import FIRST_PORT, PORT_STEP, is_empty, lines_of, no_entry

_ENTRY = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*:\s*(\S.*)")
_NAMES_PORT = re.compile(r"\$\{?PORT\b")
_HAS_OWN_PORT = re.compile(r"\bPORT=|\s-p[ =]?\d|--port\b|:\d{2,5}\b")


def convert_procfile(document: Document) -> ProjectDraft:
    """Convert a Procfile: each line a process with its port, as foreman numbers them."""
    draft = ProjectDraft()
    draft.top["env_file"] = [{"path": ".env", "required": False}]
    for number, line in enumerate(lines_of(document.text), 1):
        if is_empty(line):
            continue
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            draft.notes.append(
                ConvertNote(NoteKind.MANUAL, document.name, _left_out(document, number, line), number, document.name)
            )
            continue
        _add(draft, document, number, entry)
    return draft


def _left_out(document: Document, number: int, line: str) -> str:
    name, _, command = line.partition(":")
    if not command.strip() and plain_name(name) == name:
        return f"the process `{name}` has no command: this line is left out"
    mistake = no_entry(document, number, line)
    return f"{mistake.message}: this line is left out" + (f"; {mistake.hint}" if mistake.hint else "")


def _add(draft: ProjectDraft, document: Document, number: int, entry: re.Match[str]) -> None:
    place = Scalar(document, number, 1, entry[1], entry[1])
    name = plain_name(entry[1])
    if name in draft.processes:
        draft.note(NoteKind.MANUAL, entry[1], f"`{entry[1]}` is given twice; the second is left out", place)
        return
    process = draft.process(name)
    process.set("command", escaped(entry[2].strip()))
    port = FIRST_PORT + PORT_STEP * (len(draft.processes) - 1)
    if _listens(name, entry[2]):
        process.set("port", port)
    else:
        process.set_env({"PORT": str(port)})
    process.set("restart", "never")
    process.set("stdin", "pipe")
    if name == "release":
        words = "it prepares a release: make the others depend on it with `completed`"
        draft.note(NoteKind.MANUAL, name, words, place)
    if name != entry[1]:
        draft.note(NoteKind.CHANGED, entry[1], f"is called `{name}`", place)


def _listens(name: str, command: str) -> bool:
    """Return whether a process listens on its PORT: on a `port` no other program may listen."""
    return _NAMES_PORT.search(command) is not None or (name == "web" and _HAS_OWN_PORT.search(command) is None)
