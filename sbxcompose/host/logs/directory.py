"""The logs of one sandbox by name, each in a directory of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from sbxcompose.host.base import damage
from sbxcompose.host.logs.store import LogStore


class LogDirectory(Mapping[str, LogStore]):
    """The logs of a sandbox by name, each opened when it is first wanted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[str, LogStore | None] = dict.fromkeys(self._on_disk())

    def _on_disk(self) -> list[str]:
        return sorted(map(unquote, damage.names_in(self._directory)))

    def __getitem__(self, name: str) -> LogStore:
        log = self._open[name]
        if log is None:
            log = self._open[name] = self._opened(self._directory / file_name(name))
        return log

    def _opened(self, directory: Path) -> LogStore:
        """Open a log. One that cannot be used is set aside, and a new one takes its place."""
        try:
            return LogStore.open(directory)
        except OSError as error:
            if error.errno in damage.SHORTAGE:
                raise
            damage.set_aside(directory, error.strerror or error)
            return LogStore(os.fspath(directory))

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def add(self, name: str) -> None:
        """From now on there is a log of that name."""
        self._open.setdefault(name, None)

    def remove(self, name: str) -> None:
        """Delete a log."""
        if name in self._open:
            self[name].remove()
            del self._open[name]

    def close(self) -> None:
        """Give back all descriptors."""
        for log in self._open.values():
            if log is not None:
                log.close()


def file_name(log: str) -> str:
    """Return the directory name of a log."""
    quoted = quote(log, safe="")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted
