"""Procfiles -> ours; pure."""

from __future__ import annotations

import re

from sbxcompose.convert.draft import NoteKind, ProjectDraft
from sbxcompose.convert.values import escaped, plain_name

FIRST_PORT, PORT_STEP = 5000, 100


def convert_procfile(lines: str) -> ProjectDraft:
    """Convert a Procfile: each line a process with its port, as foreman numbers them."""
    draft = ProjectDraft()
    draft.top["env_file"] = [{"path": ".env", "required": False}]
    for line in lines.splitlines():
        found = re.match(r"\s*([A-Za-z0-9_.-]+)\s*:\s*(\S.*)$", line)
        if found is None:
            continue
        name = plain_name(found[1])
        process = draft.process(name)
        process.set("command", escaped(found[2].strip()))
        process.set("port", FIRST_PORT + PORT_STEP * (len(draft.processes) - 1))
        process.set("restart", "never")
        process.set("stdin", "pipe")
        if name == "release":
            draft.note(NoteKind.MANUAL, name, "it prepares a release: let the others need it with `completed`")
        if name != found[1]:
            draft.note(NoteKind.CHANGED, found[1], f"is called `{name}`")
    return draft
