"""Starts that carry a key are made once: a client that has lost the answer asks again and gets the same row."""

from __future__ import annotations

from sbxcompose.api.models import StartRequest
from sbxcompose.host.supervise.process import SupervisedProcess


class StartKeys:
    """The rows of one sandbox by the keys of their starts, ended rows included."""

    def __init__(self) -> None:
        self._rows: dict[str, SupervisedProcess] = {}

    def find(self, request: StartRequest) -> SupervisedProcess | None:
        """Return the row of an earlier request with the same key."""
        return None if request.key is None else self._rows.get(request.key)

    def take(self, process: SupervisedProcess) -> None:
        """Remember a row that was recorded."""
        if process.request.key is not None:
            self._rows[process.request.key] = process

    def forget(self, process: SupervisedProcess) -> None:
        """Forget a row."""
        if self.find(process.request) is process:
            del self._rows[process.request.key or ""]
