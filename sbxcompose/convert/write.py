"""A draft -> the text of a project file, with its notes as comments beside the processes; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from sbxcompose.convert.draft import ConvertNote, NoteKind, ProjectDraft

SCHEMA = "https://raw.githubusercontent.com/sbxcompose/sbxcompose/main/schemas/sbxcompose.schema.json"
_WIDTH = 100
_ORDER = (
    *("description", "command", "user", "workdir", "port", "env_file", "env", "tty", "stdin", "replicas"),
    *("depends_on", "ready_when", "health_check", "restart", "success_exit_codes", "stop", "stop_all_on", "watch"),
)
"""The order of a process's keys; others follow."""


def render(draft: ProjectDraft, *remarks: str) -> str:
    """Return the file's text, which begins with these remarks."""
    lines = [f"# yaml-language-server: $schema={SCHEMA}", *(f"# {_one_line(remark)}" for remark in remarks)]
    general = [note for note in draft.notes if _process_of(note, draft) is None and note.kind is NoteKind.MANUAL]
    lines += [f"# TODO {_one_line(_general(note))}" for note in general]
    if draft.top:
        lines += ["", *_dump(draft.top)]
    lines += ["", "processes:"]
    notes: dict[str | None, list[ConvertNote]] = {}
    for note in draft.notes:
        notes.setdefault(_process_of(note, draft), []).append(note)
    for name, keys in draft.processes.items():
        lines += [f"  {line}" for line in _comments(draft, name, notes.get(name, []))]
        lines += _indented(_entry(name, _ordered(keys)))
    if draft.others:
        lines += ["", "# Also here, and not started:", *(f"#   {_one_line(other)}" for other in draft.others)]
    return "\n".join(lines) + "\n"


def _general(note: ConvertNote) -> str:
    """Return a note that is on no process; one on a file as such has its line."""
    return f"{note.file}:{note.line}: {note.text}" if note.line and note.subject == note.file else str(note)


def _ordered(keys: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(keys.items(), key=lambda item: _ORDER.index(item[0]) if item[0] in _ORDER else len(_ORDER)))


def _comments(draft: ProjectDraft, name: str, notes: list[ConvertNote]) -> Iterator[str]:
    if (comment := draft.comments.get(name)) is not None:
        yield f"# {_one_line(comment)}"
    for note in notes:
        if note.kind is NoteKind.MANUAL:
            key = note.subject[len(name) + 1 :]
            yield f"# TODO {_one_line(f'{key}: {note.text}' if key else note.text)}"


def _one_line(remark: str) -> str:
    """Return a remark as a comment can hold it: names in it come from a foreign file."""
    return "".join(character if character.isprintable() else " " for character in " ".join(remark.split()))


def _process_of(note: ConvertNote, draft: ProjectDraft) -> str | None:
    name = note.subject.partition(".")[0]
    return name if name in draft.processes else None


class _Dumper(yaml.SafeDumper):
    """Writes lists and small mappings on one line, and texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeat equal values: `&id001` is hard to read."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    if re.search("[\x85\u2028\u2029]", value):  # line breaks to YAML 1.1, which only quotes with escapes keep
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')
    if "\n" in value:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
    if _looks_other(value):
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')
    return dumper.represent_scalar("tag:yaml.org,2002:str", value)


def _looks_other(value: str) -> bool:
    """Return whether a plain text would be read as something else by YAML 1.2, or by people."""
    return re.fullmatch(r"[-+]?[\d._]+([eE][-+]?\d+)?|0[xo][\da-fA-F]+|\d+(:\d+)+", value) is not None


def _sequence(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    plain = all(isinstance(item, str | int | float | bool) and "\n" not in str(item) for item in value)
    short = sum(len(str(item)) + 2 for item in value) < _WIDTH - 30
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=plain and short)


def _nothing(dumper: yaml.SafeDumper, value: None) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "")


_Dumper.add_representer(type(None), _nothing)
_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _sequence)


_EASY_KEY = re.compile(r"[A-Za-z][\w-]{0,99}", re.ASCII)
_EASY_TEXT = re.compile(r"[A-Za-z/][\w./-]*( [\w./=+-]+)*", re.ASCII)
_OTHER_IN_YAML = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_LONGEST_EASY = 1000
"""Characters: beyond `width` the library breaks a text into lines."""


def _entry(key: Any, value: Any) -> list[str]:
    """Return the lines of `key: value` as `_dump` writes them.

    The library takes a quarter of a millisecond for a process, which is half a minute for a hundred thousand: it gets
    what may need quotes or several lines, and no more.
    """
    if type(key) is not str or _EASY_KEY.fullmatch(key) is None or key.lower() in _OTHER_IN_YAML:
        return _dump({key: value})
    if type(value) is dict and value:
        return [f"{key}:", *(line for item in value.items() for line in _indented(_entry(*item)))]
    if type(value) is int:
        return [f"{key}: {value}"]
    if type(value) is not str or len(value) > _LONGEST_EASY:
        return _dump({key: value})
    if value.isdecimal() and value.isascii():
        return [f'{key}: "{value}"']
    easy = _EASY_TEXT.fullmatch(value) is not None and value.lower() not in _OTHER_IN_YAML
    return [f"{key}: {value}"] if easy else _dump({key: value})


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _dump(value: dict[str, Any]) -> list[str]:
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False)
    return text.removesuffix("\n").split("\n")
