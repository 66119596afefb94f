"""Client of the control plane's snapshots: taken, waited for, found, deleted (contract, sections 2.1 and 2.5)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sbxcompose.api.http_client import HttpClient
from sbxcompose.api.sandbox_models import SnapshotInfo, SnapshotType
from sbxcompose.api.undone import LAST_ANSWER, made_or_undone
from sbxcompose.api.wire import HttpRequest, segment
from sbxcompose.api.wire_errors import expect, snapshot_failed
from sbxcompose.errors import NotFound, ProviderError, Unreachable

READY = frozenset({"local_ready", "completed"})
"""States in which a sandbox can be created from a snapshot."""
PATIENCE = 300.0
"""Seconds that a snapshot may take."""
PAUSE = 0.05
"""Seconds before a snapshot is looked at again; doubled each time, up to a second."""
MAX_LOOKS = 5
"""How often a snapshot is looked for whose beginning was not answered."""


class SnapshotClient:
    """A method an endpoint. Every method raises `Unreachable` or `Refused`. `root` is as for `Lifecycle`."""

    def __init__(self, transport: HttpClient, namespace: str = "default", *, root: str | None = None) -> None:
        self._transport = transport
        self._root = f"/v1/namespaces/{segment(namespace)}" if root is None else root

    async def begin(self, sandbox: str, kind: SnapshotType = "filesystem") -> str:
        """Begin to take a snapshot of a sandbox, by its name or id; the snapshot's id."""
        path = f"{self._root}/sandboxes/{segment(sandbox)}/snapshot"
        answer = await self._transport.request(HttpRequest("POST", path, body={"snapshot_type": kind}))
        return str(expect(answer, f"sandbox {sandbox}")["snapshot_id"])

    async def take(self, sandbox: str, kind: SnapshotType = "filesystem", patience: float = PATIENCE) -> SnapshotInfo:
        """Take a snapshot of a sandbox, by its id, and wait until a sandbox can be created from it.

        If that fails or is cancelled the snapshot is deleted, because its id would be lost and it costs money. Another
        client must not take snapshots of the same sandbox. Raises `Refused` if it fails, and `TimeoutError` if it is
        not ready in time.
        """
        number = await made_or_undone(self._begin_once(sandbox, kind), self.delete)
        try:
            async with asyncio.timeout(patience):
                return await self._ready(number, sandbox)
        except BaseException:
            with suppress(ProviderError, TimeoutError):
                async with asyncio.timeout(LAST_ANSWER):
                    await self.delete(number)
            raise

    async def _ready(self, number: str, sandbox: str) -> SnapshotInfo:
        pause = PAUSE
        while (info := await self._get(number)).status not in READY:
            if info.status not in ("in_progress", "replicating"):
                raise snapshot_failed(number, sandbox, info.error or info.status)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)
        return info

    async def _begin_once(self, sandbox: str, kind: SnapshotType) -> str:
        """Begin a snapshot, or return the one that a request without an answer has begun. Raises `Unreachable`."""
        try:
            return await self.begin(sandbox, kind)
        except Unreachable:
            for look in range(MAX_LOOKS):
                await asyncio.sleep(PAUSE * 2**look)
                mine = [info for info in await self.list() if info.sandbox_id == sandbox]
                if mine:
                    return mine[-1].id
            raise

    async def is_ready(self, number: str) -> bool:
        """Return whether a sandbox can be created from that snapshot."""
        info = await self.find(number)
        return info is not None and info.status in READY

    async def find(self, number: str) -> SnapshotInfo | None:
        """Return the snapshot of that id; None if there is none."""
        try:
            return await self._get(number)
        except NotFound:
            return None

    async def list(self, sandbox: str | None = None) -> list[SnapshotInfo]:
        """Return all snapshots of the namespace, or those of one sandbox."""
        path = f"{self._root}/snapshots" if sandbox is None else f"{self._root}/sandboxes/{segment(sandbox)}/snapshots"
        answer = await self._transport.request(HttpRequest("GET", path))
        return [SnapshotInfo.read(snapshot) for snapshot in expect(answer, "the list of snapshots")["snapshots"]]

    async def delete(self, number: str) -> None:
        """Delete a snapshot. One that is gone already is fine. Raises `Conflict` while it is in use."""
        answer = await self._transport.request(HttpRequest("DELETE", self._of(number)))
        if answer.status != 404:
            expect(answer, f"snapshot {number}")

    async def _get(self, number: str) -> SnapshotInfo:
        return SnapshotInfo.read(
            expect(await self._transport.request(HttpRequest("GET", self._of(number))), f"snapshot {number}")
        )

    def _of(self, number: str) -> str:
        return f"{self._root}/snapshots/{segment(number)}"
