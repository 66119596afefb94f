"""`convert`: read a foreign file, write a `sbxcompose.yaml`, and report what became of each key."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Collection
from itertools import islice
from pathlib import Path

from sbxcompose.cli.context import Shell
from sbxcompose.convert.convert import convert
from sbxcompose.convert.detect import CANDIDATES, detect
from sbxcompose.convert.draft import ConvertNote, NoteKind, ProjectDraft
from sbxcompose.convert.write import render
from sbxcompose.errors import InvalidSpec, SbxError, UsageError
from sbxcompose.plurals import counted
from sbxcompose.spec.nodes import Document
from sbxcompose.spec.sources import read_error_text

_LARGEST = 4 << 20
"""Bytes of a file to convert; the largest seen in public repositories has 60 kB."""

_MOST_NAMED = 10
"""Lines, and keys, that one line of the report names."""


def convert_file(
    shell: Shell, file: str | None, source: str | None, output: str | None, *, force: bool, quiet: bool
) -> int:
    """Convert a file, write the result, and report. Raises `UsageError` and `InvalidSpec`."""
    path = Path(file) if file is not None else _only_candidate()
    name = "stdin" if file == "-" else str(path)
    text = _decoded(name, sys.stdin.buffer.read(_LARGEST + 1)) if file == "-" else text_of(path)
    draft = convert_text(path, text, source)
    result = render(draft, f"Converted from {name} by `sbxcompose convert`.")
    if output is not None and output != "-":
        write(Path(output), result, force=force)
    else:
        shell.print(result.rstrip("\n"))
    if not quiet:
        report(shell, draft, name, output)
        check(shell, result)
    return 0


def convert_text(path: Path, text: str, source: str | None) -> ProjectDraft:
    """Convert a file's text; Dockerfiles are read beside it. Raises `UsageError` and `InvalidSpec`."""
    is_stdin = str(path) == "-"
    directory = path.absolute().parent
    name = "stdin" if is_stdin else str(path)
    document = Document(name, "" if is_stdin else str(path.absolute()), str(directory), text)
    return convert(document, source or detect(path.name, document), _reader(directory))


def _only_candidate() -> Path:
    found = [name for name in CANDIDATES if Path(name).is_file()]
    if len(found) == 1:
        return Path(found[0])
    if found:
        names = ", ".join(f"`{name}`" for name in found)
        raise UsageError(f"several files can be converted: {names}", hint=f"name one: `sbxcompose convert {found[0]}`")
    raise UsageError("no file to convert in this directory", hint="name it: `sbxcompose convert FILE`")


def text_of(path: Path) -> str:
    """Return the text of a file or of a named pipe that has a writer. Raises `UsageError`."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISFIFO(kind):
            from sbxcompose.spec.pipes import read_pipe

            content = read_pipe(str(path), _LARGEST)
        elif stat.S_ISREG(kind):
            with path.open("rb") as stream:
                content = stream.read(_LARGEST + 1)
        else:
            raise UsageError(f"{path} is not a file")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {(getattr(error, 'strerror', None) or str(error)).lower()}") from None
    if isinstance(content, int):
        raise UsageError(f"{path} {read_error_text(content)}")
    return _decoded(str(path), content)


def _decoded(name: str, content: bytes) -> str:
    if len(content) > _LARGEST:
        raise UsageError(f"{name} is larger than {_LARGEST >> 20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text", hint="save it as UTF-8") from None


def _reader(directory: Path) -> Callable[[str], str | None]:
    """Return a function that reads the project's Dockerfiles."""

    def read(relative: str) -> str | None:
        path = directory / relative
        try:
            if not path.is_file() or path.stat().st_size > _LARGEST:
                return None
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    return read


def write(path: Path, text: str, *, force: bool) -> None:
    """Write a new file. Raises `UsageError` if there is one already.

    One that cannot be written leaves what was there: an empty file would hide a Procfile, and stop every command.
    """
    try:
        if force and path.is_file():
            _overwrite(Path(os.path.realpath(path)), text)
        else:
            _create(path, text, os.O_TRUNC if force else os.O_EXCL)
    except FileExistsError:
        raise UsageError(f"{path} exists already", hint="`--force` overwrites it") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def _create(path: Path, text: str, flag: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o666)
    is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError:
        if is_file:
            path.unlink(missing_ok=True)
        raise


def _overwrite(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}~")
    _create(fresh, text, os.O_EXCL)
    try:
        fresh.chmod(stat.S_IMODE(path.stat().st_mode))
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def report(shell: Shell, draft: ProjectDraft, name: str, output: str | None) -> None:
    """Say what became of the file's keys."""
    count = len(draft.processes)
    written = f" to {output}" if output not in (None, "-") else ""
    shell.echo(f"converted {counted(count, 'process')} from {name}{written}")
    titles = {
        NoteKind.MANUAL: "to do by hand",
        NoteKind.CHANGED: "expressed in another way",
        NoteKind.DROPPED: "left out",
    }
    for kind, title in titles.items():
        grouped = groups([note for note in draft.notes if note.kind is kind])
        if grouped:
            shell.echo(f"\n{shell.err.bold(title)} ({len(grouped)}):")
        for notes in grouped:
            place, about = place_and_subjects(notes, name)
            shell.echo(f"  {shell.err.dim(place)}{about}{notes[0].text}")


def place_and_subjects(notes: list[ConvertNote], name: str) -> tuple[str, str]:
    """Return where notes of one group are, and on what; the first ten of each: a large file has thousands."""
    lines = dict.fromkeys(str(note.line) for note in notes if note.line)
    subjects = dict.fromkeys(note.subject for note in notes)
    file = notes[0].file
    place = f"{file or name}:{_first(lines, ',')}: " if lines else ""
    about = "" if place and list(subjects) == [file] else f"{_first(subjects, ', ')}: "
    return place, about


def _first(words: Collection[str], between: str) -> str:
    more = len(words) - _MOST_NAMED
    shown = between.join(islice(words, _MOST_NAMED))
    return f"{shown} and {more} more" if more > 0 else shown


def groups(notes: list[ConvertNote]) -> list[list[ConvertNote]]:
    """Put notes together that are the same but for the process: `networks` of ten services is one thing to know."""
    found: dict[tuple[str, str, str], list[ConvertNote]] = {}
    for note in notes:
        key = note.subject.rpartition(".")[2], note.text, note.file
        found.setdefault(key, []).append(note)
    return list(found.values())


def check(shell: Shell, result: str) -> None:
    """Say what `config` would refuse in the result."""
    from sbxcompose.spec.load import load_project
    from sbxcompose.spec.request import LoadRequest

    request = LoadRequest(os.getcwd(), ("-",), "converted", environ=os.environ, stdin=result.encode)
    try:
        project = load_project(request)
        project.check_resolved((process.sandbox, process.name) for process in project.every_process())
    except InvalidSpec as error:
        shell.echo(f"\n{shell.err.bold('to correct before the first `up`')} ({len(error.mistakes)}):")
        for mistake in error.mistakes:
            shell.echo(f"  line {mistake.line}: {mistake.message}{_example(mistake.message)}")
    except SbxError as error:
        shell.echo(f"\nto correct before the first `up`: {error.message}")


def _example(message: str) -> str:
    """Return which file to copy, for a missing one that repositories have as `.env.example` or the like."""
    missing = re.fullmatch(r"the file `(.+)` does not exist", message)
    for ending in ("example", "sample", "template", "dist"):
        if missing is not None and Path(found := f"{missing[1]}.{ending}").is_file():
            return f": copy `{found}`"
    return ""
