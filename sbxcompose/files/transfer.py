"""A tree of this machine kept in a sandbox: looked at, compared, sent, recorded, until both are the same.

One `Copy` is one sandbox's. All it needs there is the contract: files are written, as archives or by themselves, and
one command moves everything into place. A copy that is cut leaves a record from which the next one continues.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence

from msgspec import Struct

from sbxcompose.errors import Unreachable
from sbxcompose.files.carry import (
    Carrier,
    Comparison,
    CopyFailed,
    Count,
    Known,
    Outdated,
)
from sbxcompose.files.changes import PathChanges, compare
from sbxcompose.files.manifest import ManifestEntry, ManifestRecord, fingerprint, read_record
from sbxcompose.files.progress import ProgressHandler, TransferProgress, ignore_progress
from sbxcompose.files.read import Memory, read_digests, remembered
from sbxcompose.files.remote import RemoteFiles
from sbxcompose.files.scan import CopySource, ScannedTree, rescan, scan
from sbxcompose.files.script import PLACE
from sbxcompose.tasks import gather_all
from sbxcompose.threads import CallCancelled, call_in_thread

__all__ = ["Copied", "Copy", "CopyComparison", "CopyFailed", "TransferProgress"]

TRIES = 6
"""How often what a broken connection has cut is begun again without anything having got through in between."""
PAUSE = 0.1
"""Seconds before that; doubled each time."""
ROUNDS = 6
"""How often we look again at files that change while they are read."""


class CopyComparison(Struct, frozen=True):
    """What would be copied, and how many bytes of files would travel."""

    changes: PathChanges
    size: int = 0

    def __bool__(self) -> bool:
        return bool(self.changes)


class Copied(Struct, frozen=True):
    """What was copied. `unsettled` are files that kept changing, `skipped` what is not a file, folder or link."""

    files: int = 0
    deleted: int = 0
    modes: int = 0
    size: int = 0
    unsettled: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.deleted or self.modes or self.unsettled)


class Copy:
    """Keeps `sources` in the folder `workspace` of a sandbox.

    `origin` tells this machine and project from others (letters and digits): what it has left behind is taken away.
    All methods raise `ProviderError`s, and `CopyRefused`, `Unreadable` or `CopyFailed` with the path that is meant.
    """

    def __init__(
        self,
        remote: RemoteFiles,
        workspace: str,
        sources: Sequence[CopySource],
        memory: Memory,
        origin: str,
        emit: ProgressHandler = ignore_progress,
    ) -> None:
        self._remote = remote
        self._place = f"{workspace.rstrip('/')}/{PLACE}"
        self._sources = tuple(sources)
        self._memory = memory
        self._carrier = Carrier(remote, workspace.rstrip("/"), f"in.{origin}.{os.getpid()}", memory, emit)
        self._tree: ScannedTree | None = None
        self._known: Known | None = None
        self._busy = asyncio.Lock()

    async def compare(self) -> CopyComparison:
        """Return what `sync` would do; nothing is changed. Costs one request if that is nothing."""
        async with self._busy:
            comparison = await self._compare(None)
            # Also here: what had just been written when it was copied is read again until it is remembered.
            await call_in_thread(self._memory.save, comparison.tree)
            return CopyComparison(
                comparison.changes, sum(comparison.here[path].size for path in comparison.changes.send)
            )

    async def sync(self, paths: Iterable[str] | None = None) -> Copied:
        """Make the workspace equal to the sources.

        With `paths`, absolute ones of this machine, only these (and what is below them) are looked at; nothing is asked
        if no other client has copied meanwhile.
        """
        async with self._busy:
            try:
                return await self._sync(None if paths is None else tuple(paths))
            finally:
                await self._carrier.clean_up()

    async def _sync(self, paths: tuple[str, ...] | None) -> Copied:
        count = Count()
        for again in range(ROUNDS):
            # What did not hold still may be anywhere: after the first time everything is looked at.
            tree = await self._persist(paths if again == 0 else None, count)
            if not count.unsettled:
                break
            await asyncio.sleep(PAUSE * (again + 1))
        await call_in_thread(self._memory.save, tree)
        unsettled = tuple(sorted(count.unsettled))
        return Copied(count.files, count.deleted, count.modes, count.size, unsettled, tuple(tree.skipped))

    async def _persist(self, paths: tuple[str, ...] | None, count: Count) -> ScannedTree:
        """Compare and copy; repeat if a connection breaks or another client copies too."""
        failed = 0
        while True:
            before = count.files
            try:
                comparison = await self._compare(paths)
                await self._carry_out(comparison, count)
                return comparison.tree
            except (Unreachable, Outdated) as error:
                self._known = None
                failed = 1 if count.files > before else failed + 1
                if failed >= TRIES:
                    if isinstance(error, Unreachable):
                        raise
                    raise CopyFailed("other commands keep copying into the sandbox", hint="try it again") from error
            await asyncio.sleep(PAUSE * 2**failed)

    async def _compare(self, paths: tuple[str, ...] | None) -> Comparison:
        """Look at both sides and compare."""
        (tree, manifest), state = await gather_all(call_in_thread(self._scan, paths), self._state())
        if self._known is not None and state == self._known.state:
            known = self._known
        elif state and _complete(manifest) and fingerprint(manifest) == state:
            return Comparison(tree, manifest, Known(ManifestRecord(manifest), state), PathChanges())
        else:
            data = await self._remote.read(f"{self._place}/manifest")
            known = self._known = Known(read_record(data or b""), state)
        unread = _in_question(manifest, known.record.entries)
        if unread:
            await call_in_thread(read_digests, tree, unread, self._memory, manifest)
        return Comparison(tree, manifest, known, compare(manifest, known.record.entries))

    async def _state(self) -> str:
        if self._known is not None and self._known.state:
            return self._known.state
        data = await self._remote.read(f"{self._place}/state")
        return (data or b"").decode("ascii", "replace").strip()

    def _scan(self, paths: tuple[str, ...] | None) -> tuple[ScannedTree, dict[str, ManifestEntry]]:
        if paths is None or self._tree is None:
            self._tree = scan(self._sources)
        else:
            try:
                rescan(self._tree, self._sources, paths)
            except CallCancelled:
                self._tree = None  # a part of it is not what is there, and would not be looked at again
                raise
        return self._tree, remembered(self._tree, self._memory)

    async def _carry_out(self, comparison: Comparison, count: Count) -> None:
        count.unsettled = set()
        if comparison.changes or not (
            comparison.known.state or not (comparison.here or comparison.known.record.entries)
        ):
            self._known = None  # unknown until it has been carried out
            self._known = await self._carrier.carry_out(comparison, count)


def _complete(manifest: dict[str, ManifestEntry]) -> bool:
    return all(entry.known for entry in manifest.values())


def _in_question(here: dict[str, ManifestEntry], there: dict[str, ManifestEntry]) -> list[str]:
    """Files that have to be read to know whether they are there already."""
    return [
        path
        for path, entry in here.items()
        if not entry.known
        and (before := there.get(path)) is not None
        and (before.known and before.kind == "file" and before.size == entry.size)
    ]
