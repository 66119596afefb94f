"""A foreign file -> a draft of this project's file; pure, apart from the files of the project that `read` returns."""

from __future__ import annotations

import configparser
from collections.abc import Callable

from sbxcompose.convert.compose import convert_compose
from sbxcompose.convert.compose_merge import OVERRIDE, RESET
from sbxcompose.convert.draft import ConvertNote, NoteKind, ProjectDraft
from sbxcompose.convert.mprocs import convert_mprocs
from sbxcompose.convert.pm2 import convert_pm2, exported_object, without_comments
from sbxcompose.convert.process_compose import convert_process_compose
from sbxcompose.convert.procfile import convert_procfile
from sbxcompose.convert.supervisord import convert_supervisord
from sbxcompose.errors import InvalidSpec, Mistake, UsageError
from sbxcompose.spec.nodes import Document, Mapping, Node
from sbxcompose.spec.yaml import Malformed, read_yaml

FORMATS = ("compose", "process-compose", "procfile", "supervisord", "mprocs", "pm2")
"""What can be converted, as `--from` names it."""
_MERGE_TAGS = (f"unknown tag `{RESET}`", f"unknown tag `{OVERRIDE}`")


def convert(document: Document, source: str, read: Callable[[str], str | None]) -> ProjectDraft:
    """Convert a file of the format `source`. Raises `InvalidSpec` if it cannot be read, `UsageError` if it is empty."""
    mistakes: list[Mistake] = []
    match source:
        case "procfile":
            draft = convert_procfile(document)
        case "supervisord":
            draft = _supervisord(document)
        case "pm2":
            draft = convert_pm2(_pm2(document, mistakes))
        case "compose":
            draft = convert_compose(_mapping(document, mistakes), read)
            mistakes = [mistake for mistake in mistakes if mistake.message not in _MERGE_TAGS]
        case "process-compose":
            draft = convert_process_compose(_mapping(document, mistakes))
        case _:
            draft = convert_mprocs(_mapping(document, mistakes))
    for mistake in mistakes:
        draft.notes.append(ConvertNote(NoteKind.MANUAL, document.name, mistake.message, mistake.line, document.name))
    if not draft.processes:
        hint = next((str(note) for note in draft.notes if note.kind is NoteKind.MANUAL), None)
        hint = hint or f"it was read as a {source} file; see `--from`"
        raise UsageError(f"{document.name} defines no processes", hint=hint)
    return draft


def _tree(document: Document, mistakes: list[Mistake]) -> Node:
    try:
        root = read_yaml(document, mistakes)
    except Malformed as error:
        raise InvalidSpec([error.mistake]) from None
    if root is None:
        raise UsageError(f"{document.name} is empty")
    return root


def _mapping(document: Document, mistakes: list[Mistake]) -> Mapping:
    root = _tree(document, mistakes)
    if not isinstance(root, Mapping):
        raise InvalidSpec([root.mistake("the file must be a mapping")])
    return root


def _supervisord(document: Document) -> ProjectDraft:
    try:
        return convert_supervisord(document)
    except configparser.MissingSectionHeaderError as error:
        raise InvalidSpec([document.mistake(str(error).splitlines()[0], getattr(error, "lineno", 0) or 0)]) from None
    except configparser.ParsingError as error:
        words = "a line must be `key=value`, or begin with a blank if it continues one"
        raise InvalidSpec([document.mistake(words, line) for line, _ in error.errors]) from None
    except configparser.Error as error:
        raise InvalidSpec([document.mistake(str(error).splitlines()[0], getattr(error, "lineno", 0) or 0)]) from None


def _pm2(document: Document, mistakes: list[Mistake]) -> Node:
    if document.name.endswith((".yaml", ".yml")):
        return _tree(document, mistakes)
    if document.name.endswith(".json"):
        # pm2 takes comments in JSON.
        return _tree(
            Document(document.name, document.path, document.directory, without_comments(document.text)), mistakes
        )
    literal = exported_object(document.text)
    if literal is None:
        raise UsageError(
            f"{document.name} computes what it exports, and is not run",
            hint="convert its result: node -p 'JSON.stringify(require(\"./" + document.name + "\"))' > pm2.json",
        )
    return _tree(Document(document.name, document.path, document.directory, literal), mistakes)
