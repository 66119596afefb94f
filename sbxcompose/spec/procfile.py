"""A Procfile as the tree that the same file in YAML would give; pure.

A line is `name: command`. The command is left to the shell as it is, dollar signs and all. Nothing is
restarted, and standard input stays open, as under foreman.
"""

from __future__ import annotations

import re

from sbxcompose.errors import Mistake, SpecError
from sbxcompose.spec.nodes import Document, Mapping, Scalar
from sbxcompose.spec.ports import LAST

FIRST_PORT = 5000
"""PORT of the first process; a later process has 100 more than the one before, a replica one more."""
PORT_STEP = 100

_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?P<colon>[ \t]*:[ \t]*)(?P<command>.*?)[ \t]*")
_LIKE_PROCFILE = re.compile(r"(?P<indent>\s*)(?P<name>[^:=]*[^:=\s])\s*:(?!/)\s*(?P<command>.*)")
_VARIABLE = re.compile(r"(export\s+)?[A-Za-z_][A-Za-z0-9_]*=")
_YAML = re.compile(r"^(processes|sandboxes|services|procs)[ \t]*:[ \t]*($|[\[{&*#!])", re.MULTILINE)
_DESCRIBES = frozenset(
    ("name", "provider", "include", "profiles", "env", "env_file", "inherit_env", "secrets", "version", "schema")
)
"""Keys of a YAML file that may stand there without any process."""
_OTHER = (".yaml", ".yml", ".json", ".conf", ".cfg", ".ini", ".toml")
"""Ends of names of other kinds of files, some of which also have lines such as `name: value`."""


def is_procfile(name: str, text: str) -> bool:
    """Return whether a file is a Procfile: by what it holds, and where that fits both, by its name (without folders).

    Procfile tools take any name; so does this program, except for what ends like a file of settings, and for records
    of fields such as /etc/passwd, which look like `name:command`: under another name some line has a blank behind the
    colon.
    """
    if _YAML.search(text):
        return False
    if "procfile" in name.lower():
        return True
    if name.lower().endswith(_OTHER):
        return False
    found = [_LINE.fullmatch(line) for line in lines_of(text) if not is_empty(line)]
    names = {line["name"] for line in found if line is not None and line["command"]}
    is_spaced = any(line is not None and len(line["colon"]) > 1 for line in found)
    return bool(names) and None not in found and is_spaced and not names <= _DESCRIBES


def read_procfile(document: Document, mistakes: list[Mistake]) -> Mapping:
    """Return the root of the tree; lines that are no entry are added to `mistakes`."""
    processes = Mapping(document, 1, 1)
    for number, line in enumerate(lines_of(document.text), 1):
        if is_empty(line):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            mistakes.append(no_entry(document, number, line))
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


def lines_of(text: str) -> list[str]:
    """Return the lines of a Procfile, however they end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def is_empty(line: str) -> bool:
    """Return whether a line is blank or a comment."""
    return not line.strip() or line.lstrip().startswith("#")


def no_entry(document: Document, number: int, line: str) -> Mistake:
    """Return what is wrong with a line other than `name: command`."""
    if _VARIABLE.match(line.lstrip()):
        message = "a variable is set here, and a line must be `name: command`"
        return document.mistake(message, number, 1, "variables for all processes belong into `.env`")
    found = _LIKE_PROCFILE.fullmatch(line)
    if found is None:
        return document.mistake("a line must be `name: command`", number, 1, "a comment begins with `#`")
    if found["indent"] and _LINE.fullmatch(line.lstrip()):
        return document.mistake("a line must begin with the process's name", number, 1, "remove the blanks before it")
    name = found["name"]
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "web"
    hint = f"names have letters, digits, `-` and `_`: `{plain}: {found['command']}`"
    return document.mistake(f"`{name}` cannot be a name", number, len(found["indent"]) + 1, hint)


def _process(document: Document, line: int, column: int, command: str) -> Mapping:
    def word(text: str) -> Scalar:
        return Scalar(document, line, column, text, text, "literal")

    keys = {"command": command, "restart": "never", "stdin": "pipe"}
    return Mapping(document, line, column, {key: (word(key), word(value)) for key, value in keys.items()})


def replica_ports(index: int, replicas: int, first: int = FIRST_PORT) -> list[int]:
    """PORT of each replica of the process at `index` (from 0); replicas beyond the last port have none."""
    start = first + PORT_STEP * index
    return list(range(start, min(start + replicas, LAST + 1)))


def first_port(environment: str | None, dotenv: str | None) -> int:
    """PORT of the first line: that of the environment, else that of `.env`, else 5000. Raises `SpecError`."""
    given = environment or dotenv or str(FIRST_PORT)
    if given.isascii() and given.isdecimal() and 0 < int(given[:6]) <= LAST:
        return int(given)
    where = "the environment" if environment else "`.env`"
    hint = f"PORT comes from {where}; the processes of a Procfile get it, each one 100 more than the one before"
    raise SpecError(f"invalid PORT `{given}`; expected 1 to {LAST}", hint=hint)
