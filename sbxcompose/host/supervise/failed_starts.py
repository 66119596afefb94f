"""Starts that failed: what was tried and what the system said, until the process is started or its sandbox ends.

A start that fails leaves no row (contract, section 3.2), so a client that looks later could not learn of it.
"""

from __future__ import annotations

import os
from pathlib import Path

from sbxcompose.api.json_text import encode
from sbxcompose.api.models import FailedStart, StartRequest
from sbxcompose.clock import wall_ms
from sbxcompose.host.base import damage, write_back
from sbxcompose.host.base.problems import Problem

KEPT = 200
"""The most failed starts that a sandbox remembers, the latest of each log."""
CONFLICT = 409
"""The status of a start that another one was before: nothing failed."""


class FailedStarts:
    """The latest failed start of each log of one sandbox."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "failed-starts.json"
        self._failed: dict[str, FailedStart] = {}

    def load(self) -> None:
        """Read what the last server wrote; a file that makes no sense is set aside."""
        for failed in damage.load(self._path, damage.record_of(list[FailedStart])) or ():
            self._failed[failed.log] = failed

    def all(self) -> list[FailedStart]:
        """Return all of them, the latest last."""
        return list(self._failed.values())

    def add(self, request: StartRequest, problem: Problem) -> None:
        """Remember a failed start of a named process."""
        if request.name is None or problem.status == CONFLICT:
            return
        log = request.log or request.name
        self._failed.pop(log, None)
        self._failed[log] = FailedStart(
            name=request.name,
            log=log,
            command=request.command,
            args=request.args,
            working_dir=request.working_dir,
            error=problem.error,
            at=wall_ms(),
        )
        while len(self._failed) > KEPT:
            del self._failed[next(iter(self._failed))]
        self._save()

    def started(self, request: StartRequest) -> None:
        """Forget the failures of a process that has been started."""
        if self._failed and self._failed.pop(request.log or request.name or "", None) is not None:
            self._save()

    def _save(self) -> None:
        data = encode(list(self._failed.values()))
        write_back.record(os.fspath(self._path), data, "a start that failed")
