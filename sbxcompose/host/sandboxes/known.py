"""Which sandboxes there are, live and terminated, and how one is found (contract, section 2)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.sandboxes import archive as recorded
from sbxcompose.host.sandboxes import listing
from sbxcompose.host.sandboxes.archive import ArchivedSandbox
from sbxcompose.host.sandboxes.sandbox import HostedSandbox
from sbxcompose.host.sandboxes.sandbox_record import archived_form, not_found
from sbxcompose.host.supervise.processes import Processes

KEPT_TERMINATED = 100
"""How many terminated sandboxes are remembered."""


class KnownSandboxes:
    """The live sandboxes, by id and name, and those of the terminated ones that are remembered."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._live: dict[str, HostedSandbox] = {}
        self._terminated: dict[str, SandboxInfo] = {}
        self._names: dict[str, HostedSandbox] = {}

    def __iter__(self) -> Iterator[HostedSandbox]:
        return iter(list(self._live.values()))

    @property
    def running(self) -> int:
        """How many processes run, in all sandboxes."""
        return sum(sandbox.processes.running for sandbox in self._live.values())

    def live(self, identifier: str) -> HostedSandbox:
        """Return the live sandbox of an id or name. Raises `Problem`: 404, or 409 for the id of a terminated one."""
        found = self._names.get(identifier) or self._live.get(identifier)
        if found is not None and found.ending is None:
            return found
        if found is not None:
            raise Problem(409, f"sandbox {identifier} is being terminated", "SANDBOX_TERMINATED")
        if identifier in self._terminated:
            raise Problem(409, f"sandbox {identifier} is terminated", "SANDBOX_TERMINATED")
        raise not_found(identifier)

    def info(self, identifier: str) -> SandboxInfo:
        """Return what is known of a sandbox; of a terminated one by its id alone, since its name is free. Raises
        `Problem`.
        """
        found = self._names.get(identifier) or self._live.get(identifier)
        return found.info if found is not None else self._remembered(identifier)

    def processes(self, identifier: str) -> Processes | None:
        """Return the processes of the live sandbox of that id; None of any other."""
        found = self._live.get(identifier)
        return None if found is None else found.processes

    def recorded(self, identifier: str) -> ArchivedSandbox:
        """Return the logs and rows of a sandbox, also of a terminated one. Raises `Problem`."""
        info = self.info(identifier)
        live = self._live.get(info.id)
        if live is None:
            return recorded.read(info, self._directory / info.id)
        return ArchivedSandbox(info, live.processes.logs(), [row.info() for row in live.processes.rows()])

    def page(self, namespace: str, query: listing.PageQuery, status: str | None = None) -> listing.Page:
        """Return a page of the list, terminated ones included. Raises `Problem`."""
        known = [*self._terminated.values(), *(sandbox.info for sandbox in self._live.values())]
        mine = [info for info in known if info.namespace == namespace]
        return listing.page((info for info in mine if status in (None, info.status)), query)

    def archived(self, identifier: str) -> SandboxInfo:
        """Return a terminated sandbox, by its id. Raises `Problem`."""
        return archived_form(self._remembered(identifier))

    def archive(self, namespace: str, query: listing.PageQuery) -> listing.Page:
        """Return a page of the terminated ones. Raises `Problem`."""
        mine = (archived_form(info) for info in self._terminated.values() if info.namespace == namespace)
        return listing.page(mine, query)

    def _remembered(self, identifier: str) -> SandboxInfo:
        if identifier not in self._terminated:
            raise not_found(identifier)
        return self._terminated[identifier]

    def _forget_live(self, sandbox: HostedSandbox) -> None:
        info = sandbox.info
        del self._live[info.id]
        if info.name is not None and self._names.get(info.name) is sandbox:
            del self._names[info.name]

    def _prune(self) -> None:
        surplus = sorted(self._terminated.values(), key=lambda info: info.terminated_at or 0)[:-KEPT_TERMINATED]
        for info in surplus:
            del self._terminated[info.id]
            shutil.rmtree(self._directory / info.id, ignore_errors=True)
