"""What runs were started with that must be known for as long as their output is kept.

The values of their secrets, so that they stay masked, and the `up` that they belong to. Rows are forgotten and logs
are not, so this is kept beside the logs: a file of JSON lines for each sandbox, the user's alone.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import StartRequest
from sbxcompose.host.base import damage, unsaved, write_back
from sbxcompose.host.base.json_files import replace_file

MOST: Final = 256
"""Notes kept for a log: of older ones the secrets are kept, and no longer which run had which."""
MAX_VALUES: Final = 1024
"""Values kept in the oldest note of a log."""
COMPACT: Final = 4096
"""Lines of the file after which it is written anew."""


def note_of(request: StartRequest, run: int, time_ms: int) -> StartNote | None:
    """Return the note for a run that a request has started; None if the request names no log that outlives its row."""
    if request.log is None:
        return None
    secrets = {request.env[name] for name in request.secrets if request.env.get(name)}
    return StartNote(request.log, run, time_ms, request.up_ms, request.life_ms, sorted(secrets))


class StartNotes:
    """The notes of one sandbox. `added` is called with each that is new."""

    def __init__(self, path: Path, added: Callable[[StartNote], None]) -> None:
        self._path = os.fspath(path)
        self._added = added
        self._notes: dict[str, list[StartNote]] = {}
        self._unwritten: list[StartNote] = []
        self._lines = 0

    def __iter__(self) -> Iterator[StartNote]:
        """Return all notes, those of one log in the order of its runs."""
        return (note for notes in self._notes.values() for note in notes)

    def load(self) -> None:
        """Read the file; what makes no sense in it is left out."""
        for line in damage.load(self._path, bytes.splitlines) or ():
            self._lines += 1
            with suppress(ValueError):
                self._take(damage.record_of(StartNote)(line))

    def add(self, note: StartNote) -> None:
        """Remember a note, unless it says what the one before it says."""
        if not self._take(note):
            return
        self._added(note)
        self._unwritten.append(note)
        if len(self._unwritten) == 1:
            # Until it is written, the row's own record has all of it.
            try:
                asyncio.get_running_loop().call_soon(self._write)
            except RuntimeError:
                self._write()

    def _take(self, note: StartNote) -> bool:
        notes = self._notes.setdefault(note.name, [])
        if notes and (note.run <= notes[-1].run or note[3:] == notes[-1][3:]):
            return False
        if notes and note.up != notes[-1].up:
            notes[:] = _secrets_alone(notes)
        notes.append(note)
        if len(notes) > MOST:
            first, second = notes[:2]
            values = list(dict.fromkeys((*second.secrets, *first.secrets)))[:MAX_VALUES]
            notes[:2] = [second._replace(run=first.run, time=first.time, secrets=values)]
        return True

    def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        self._lines += len(unwritten)
        try:
            if self._lines > COMPACT or unsaved.content(self._path) is not None:
                replace_file(self._path, _encode(self))
                self._lines = sum(map(len, self._notes.values()))
                return
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            fd = os.open(self._path, flags, 0o600)
            try:
                os.write(fd, b"\n" * (os.fstat(fd).st_size > 0) + _encode(unwritten))
            finally:
                os.close(fd)
        except OSError as error:
            write_back.hold(self._path, _encode(self), "what runs were started with", error)


def _secrets_alone(notes: Iterable[StartNote]) -> Iterator[StartNote]:
    """Leave out of notes of one log those that only tell of an `up` that is no longer the latest.

    All clients read all notes, so that they must not grow with the age of the log.
    """
    before: list[str] | None = None
    for note in notes:
        if note.secrets != before:
            yield note
        before = note.secrets


def _encode(notes: Iterable[StartNote]) -> bytes:
    # A surrogate stands for a byte of an environment that is not UTF-8; JSON's own escapes keep it.
    return b"\n".join(json.dumps(note, separators=(",", ":")).encode() for note in notes)
