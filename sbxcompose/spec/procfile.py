"""A Procfile as the tree that the same file in YAML would give; pure.

A line is `name: command`. The command is left to the shell as it is, dollar signs and all, and nothing is
restarted.
"""

from __future__ import annotations

import re

from sbxcompose.errors import Mistake
from sbxcompose.spec.nodes import Document, Mapping, Scalar

FIRST_PORT = 5000
"""PORT of the first process; a later process has 100 more than the one before, a replica one more."""
PORT_STEP = 100

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?P<colon>[ \t]*:[ \t]*)(?P<command>.*?)[ \t]*")


def read_procfile(document: Document, mistakes: list[Mistake]) -> Mapping:
    """The root of the tree; lines that are no entry are added to `mistakes`."""
    processes = Mapping(document, 1, 1)
    for number, line in enumerate(document.text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            mistakes.append(document.mistake("a line must be `name: command`", number, 1, "a comment begins with `#`"))
        elif found["name"] in processes.entries:
            first = processes.entries[found["name"]][0].line
            message = f"the process `{found['name']}` is given twice"
            mistakes.append(document.mistake(message, number, 1, f"it was first given in line {first}"))
        else:
            column = len(found["name"]) + len(found["colon"]) + 1
            key = Scalar(document, number, 1, found["name"], found["name"])
            processes.entries[found["name"]] = (key, _process(document, number, column, found["command"]))
    root = Mapping(document, 1, 1)
    if processes.entries:
        root.entries["processes"] = (processes, processes)
    return root


def _process(document: Document, line: int, column: int, command: str) -> Mapping:
    def word(text: str) -> Scalar:
        return Scalar(document, line, column, text, text, literal=True)

    entries = {"command": (word("command"), word(command)), "restart": (word("restart"), word("never"))}
    return Mapping(document, line, column, dict(entries))


def replica_ports(index: int, replicas: int, first: int = FIRST_PORT) -> list[int]:
    """PORT of each replica of the process at `index` (from 0)."""
    return [first + PORT_STEP * index + replica for replica in range(replicas)]
