"""Changes carried out in a sandbox: packed, sent, moved into place and recorded, part after part.

While a part is put into place there, the next one is packed and travels.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from msgspec import Struct, field
from msgspec.structs import replace

from sbxcompose.errors import SbxError
from sbxcompose.files import script as scripts
from sbxcompose.files import single
from sbxcompose.files.changes import PathChanges, parts
from sbxcompose.files.manifest import ManifestEntry, ManifestRecord, fingerprint, name_text, write_change, write_whole
from sbxcompose.files.pack import Packed, pack
from sbxcompose.files.persistent import CLEAN_UP, REMOVE, persist
from sbxcompose.files.progress import MeteredFiles, ProgressHandler, TransferMeter
from sbxcompose.files.read import Memory
from sbxcompose.files.remote import RemoteFiles
from sbxcompose.files.scan import ScannedTree
from sbxcompose.tasks import Tasks
from sbxcompose.threads import call_in_thread

PART = 16 * 1024 * 1024
"""Bytes that travel in one archive: what is lost at most when a connection breaks, and held in memory twice."""
SMALL = 4096
"""Bytes of records that travel within a command."""
LONGEST_ARGUMENT = 100_000
"""Bytes; a kernel takes 128 KiB."""

HERE = 'cd -- "$1" && eval "$2"'
UNPACK = f"""cd -- "$1" || exit
[ -e "$2.tar" ] || exit {scripts.OUTDATED}
mkdir -p "$2" && tar -xpof "$2.tar" -C "$2" || {{ code=$?; rm -rf "$2" "$2.tar"; exit $code; }}
rm -f "$2.tar"; exec sh "$2/apply\""""


class CopyFailed(SbxError):
    """Files could not be copied into a sandbox."""


class Outdated(Exception):
    """Another client has copied into the sandbox meanwhile."""


class Known(Struct, frozen=True):
    """What is there, as far as we know; the state is empty unless the tree there is complete."""

    record: ManifestRecord
    state: str


class Comparison(Struct):
    """One comparison: the tree here and its manifest, what is there, and what has to be done."""

    tree: ScannedTree
    here: dict[str, ManifestEntry]
    known: Known
    changes: PathChanges


class Count(Struct):
    """What has got through, and what did not hold still."""

    files: int = 0
    deleted: int = 0
    modes: int = 0
    size: int = 0
    unsettled: set[str] = field(default_factory=set)

    def add(self, piece: PathChanges, here: dict[str, ManifestEntry]) -> None:
        """Take note that a part has got through."""
        self.files += len(piece.send)
        self.size += sum(here[path].size for path in piece.send)
        self.deleted += sum(1 for path in (*piece.deleted, *piece.cleared) if path not in here)
        self.modes += len(piece.modes)


class _Part(Struct):
    """A part that has arrived: `run` puts it into place, `after` is known then."""

    piece: PathChanges
    here: dict[str, ManifestEntry]
    unsettled: set[str]
    after: Known
    stage: str
    run: tuple[str, ...] = ()


class Carrier:
    """Carries changes out in the folder `workspace`; `stage` is the beginning of the names of what is staged."""

    def __init__(self, remote: RemoteFiles, workspace: str, stage: str, memory: Memory, emit: ProgressHandler) -> None:
        self._meter = TransferMeter(emit)
        self._remote = MeteredFiles(remote, self._meter)
        self._workspace = workspace
        self._stage = stage
        self._memory = memory
        self._serial = 0
        self._staged: list[str] = []
        """What was sent, or may have been, and is not known to be in place."""

    async def carry_out(self, comparison: Comparison, count: Count) -> Known:
        """Carry out what a comparison found; return the state then. Raises `Outdated`, `CopyFailed`."""
        pieces = parts(comparison.changes, comparison.here, PART)
        send = comparison.changes.send
        self._meter.begin(len(send), sum(comparison.here[path].size for path in send))
        async with Tasks() as tasks:
            coming = tasks.start(self._send(comparison, pieces[0], comparison.known, set(), len(pieces) == 1))
            for number in range(1, len(pieces) + 1):
                part = await coming
                if number < len(pieces):
                    last = number + 1 == len(pieces)
                    coming = tasks.start(self._send(comparison, pieces[number], part.after, part.unsettled, last))
                await self._run(part.run)
                self._staged = self._staged[self._staged.index(part.stage) + 1 :]
                size = count.size
                count.add(part.piece, part.here)
                self._meter.arrived(len(part.piece.send), count.size - size)
            count.unsettled = part.unsettled
            return part.after

    async def clean_up(self) -> None:
        """Remove what was sent and not put into place, as far as that can be done; the next copy does the rest."""
        staged, self._staged = [f"{self._workspace}/{stage}" for stage in self._staged], []
        with suppress(SbxError, TimeoutError):
            async with asyncio.timeout(CLEAN_UP):
                for path in staged:
                    await persist(partial(self._remote.run, ("sh", "-c", REMOVE, "sh", path)))

    async def _send(
        self, comparison: Comparison, piece: PathChanges, known: Known, unsettled: set[str], last: bool
    ) -> _Part:
        """Have one part there, ready to be put into place when what came before it has been."""
        packed = await self._pack(comparison, piece)
        here = {**comparison.here, **packed.entries}
        piece = _without(piece, packed.unsettled)
        unsettled = unsettled | packed.unsettled
        entries = _after(piece, here, known.record.entries)
        state = fingerprint(entries) if last and not unsettled else ""
        part = _Part(piece, here, unsettled, Known(ManifestRecord(entries), state), packed.stage)
        await self._deliver(part, packed, known)
        return part

    async def _pack(self, comparison: Comparison, piece: PathChanges) -> Packed:
        self._serial += 1
        singles = _singles(piece, comparison.here)
        names = [path for path in (*piece.send, *piece.directories) if path not in singles]
        packed = await call_in_thread(pack, "tree/", names, comparison.tree.found, self._memory)
        packed.stage = f"{scripts.PLACE}/{self._stage}.{self._serial}"
        self._staged.append(packed.stage)
        packed.singles = {path: f"one.{number}" for number, path in enumerate(singles)}
        for path, staged in packed.singles.items():
            place = f"{self._workspace}/{packed.stage}/{staged}"
            entry = await single.send(self._remote, place, comparison.tree.found[path], self._memory)
            if entry is None:
                packed.unsettled.add(path)
            else:
                packed.entries[path] = entry
        return packed

    async def _deliver(self, part: _Part, packed: Packed, known: Known) -> None:
        """Send the archive, if there has to be one, and say what puts the part into place."""
        record, piece, here = known.record, part.piece, part.here
        before, after = _frames(part, record)
        size = len(after) if record.worn else record.size + len(before) + len(after)
        part.after = replace(part.after, record=replace(part.after.record, size=size))
        singles = tuple((name, path) for path, name in packed.singles.items() if path in packed.entries)
        state = part.after.state
        earlier = tuple(self._staged[: self._staged.index(packed.stage)])
        frame = scripts.ScriptParts(packed.stage, known.state, record.size, record.worn, bool(state), singles, earlier)
        contents = {"before": before, "after": after, "state": state.encode()}
        if not packed.pieces and len(before) + len(after) < SMALL:
            script = scripts.inline(piece, here, record.entries, frame, contents)
            if _is_text(script):
                part.run = ("sh", "-c", HERE, "sh", self._workspace or "/", name_text(script))
                return
        for name, data in contents.items():
            packed.add(name, data)
        packed.add("apply", scripts.script(piece, here, record.entries, frame))
        await self._remote.write(f"{self._workspace}/{packed.stage}.tar", packed.finished())
        part.run = ("sh", "-c", UNPACK, "sh", self._workspace or "/", packed.stage)

    async def _run(self, arguments: tuple[str, ...]) -> None:
        ran = await self._remote.run(arguments)
        if ran.code == 0:
            return
        if ran.code == scripts.OUTDATED:
            raise Outdated
        words = ran.words.strip() or f"exit code {ran.code}"
        hint = no_room(words)
        if ran.code == scripts.IN_THE_WAY:
            hint = "remove it there, or leave it out with `ignore:`"
        raise CopyFailed(f"files could not be put into place: {words}", hint=hint)


def no_room(words: str) -> str | None:
    """Return what to say of a sandbox whose disk is full."""
    return "no space left in the sandbox" if "No space left" in words else None


def _frames(part: _Part, record: ManifestRecord) -> tuple[bytes, bytes]:
    """Return what is recorded before anything is touched, and afterwards."""
    piece, here = part.piece, part.here
    put = {path: here[path] for path in (*piece.send, *piece.directories, *piece.modes)}
    gone = [path for path in (*piece.cleared, *piece.deleted) if path not in put]
    doubtful = {path: ManifestEntry((here.get(path) or record.entries[path]).kind, -1) for path in piece.touched}
    if record.worn:
        return write_whole({**record.entries, **doubtful}), write_whole(part.after.record.entries)
    return write_change(doubtful), write_change(put, gone)


def _singles(piece: PathChanges, here: dict[str, ManifestEntry]) -> list[str]:
    """Return the files that travel by themselves: a single small one, and those that are too large for an archive."""
    files = [path for path in piece.send if here[path].kind == "file"]
    if len(piece.send) == len(files) == 1 and not piece.directories:
        return files
    return [path for path in files if here[path].size > PART]


def _is_text(script: bytes) -> bool:
    try:
        return len(script.decode()) < LONGEST_ARGUMENT
    except UnicodeDecodeError:
        return False


def _without(piece: PathChanges, unsettled: set[str]) -> PathChanges:
    if not unsettled:
        return piece
    return replace(piece, send=tuple(path for path in piece.send if path not in unsettled))


def _after(
    piece: PathChanges, here: dict[str, ManifestEntry], there: dict[str, ManifestEntry]
) -> dict[str, ManifestEntry]:
    after = dict(there)
    for path in (*piece.cleared, *piece.deleted):
        after.pop(path, None)
    for path in (*piece.send, *piece.directories, *piece.modes):
        after[path] = here[path]
    return after
