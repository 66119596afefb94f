"""Procfiles -> a draft of this project's file; pure."""

from __future__ import annotations

import re

from sbxcompose.convert.draft import ConvertNote, NoteKind, ProjectDraft
from sbxcompose.convert.values import escaped, plain_name

FIRST_PORT, PORT_STEP = 5000, 100
_NAMES_PORT = re.compile(r"\$\{?PORT\b")
_HAS_OWN_PORT = re.compile(r"\bPORT=|\s-p[ =]?\d|--port\b|:\d{2,5}\b")


def convert_procfile(lines: str) -> ProjectDraft:
    """Convert a Procfile: each line a process with its port, as foreman numbers them."""
    draft = ProjectDraft()
    draft.top["env_file"] = [{"path": ".env", "required": False}]
    found = [re.match(r"\s*([A-Za-z0-9_.-]+)\s*:\s*(\S.*)$", line) for line in lines.splitlines()]
    for number, line in enumerate(found, 1):
        if line is None:
            continue
        name = plain_name(line[1])
        if name in draft.processes:
            words = f"`{line[1]}` is given twice; the second is left out"
            draft.notes.append(ConvertNote(NoteKind.MANUAL, line[1], words, number))
            continue
        process = draft.process(name)
        process.set("command", escaped(line[2].strip()))
        port = FIRST_PORT + PORT_STEP * (len(draft.processes) - 1)
        if _listens(name, line[2]):
            process.set("port", port)
        else:
            process.set_env({"PORT": str(port)})
        process.set("restart", "never")
        process.set("stdin", "pipe")
        if name == "release":
            draft.note(NoteKind.MANUAL, name, "it prepares a release: make the others depend on it with `completed`")
        if name != line[1]:
            draft.note(NoteKind.CHANGED, line[1], f"is called `{name}`")
    return draft


def _listens(name: str, command: str) -> bool:
    """Return whether a process listens on its PORT: on a `port` no other program may listen."""
    return _NAMES_PORT.search(command) is not None or (name == "web" and _HAS_OWN_PORT.search(command) is None)
