"""`cp`: files and folders between this machine and a sandbox, as `cp -r` has it, each file whole or not at all.

Where a destination is a folder that exists, or ends with `/`, the source goes into it under its own name; a source that
ends with `/.` means what is in it. What is in a folder is laid over what is there already.
"""

from __future__ import annotations

import os
import posixpath
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from sbxcompose.errors import SbxError
from sbxcompose.files import hand_scripts, leftovers, single
from sbxcompose.files import script as scripts
from sbxcompose.files.carry import PART, CopyFailed, no_room
from sbxcompose.files.changes import PathChanges, compare, parts
from sbxcompose.files.manifest import ManifestEntry, name_text
from sbxcompose.files.pack import pack
from sbxcompose.files.persistent import PersistentFiles, persist
from sbxcompose.files.progress import MeteredFiles, ProgressHandler, TransferMeter, ignore_progress
from sbxcompose.files.read import Memory
from sbxcompose.files.remote import RemoteFiles, RemoteResult
from sbxcompose.files.scan import PERMISSIONS, ScannedEntry, signature_of
from sbxcompose.files.unpack import unpack
from sbxcompose.threads import call_in_thread, check_cancelled


class CopyOptions(Struct, frozen=True):
    """`archive`: owners (by number) are kept, too. `follow`: what links point to is copied instead of them."""

    archive: bool = False
    follow: bool = False


class SandboxPath(Struct, frozen=True):
    """A path in a sandbox, absolute, and how people call it."""

    path: str
    label: str

    def below(self, name: str) -> SandboxPath:
        """Return a path in this folder."""
        return SandboxPath(posixpath.join(self.path, name), f"{self.label.rstrip('/')}/{name}")


class Moved(Struct, frozen=True):
    """What was copied."""

    files: int
    size: int


class Probed(Struct, frozen=True):
    """What is at a path in the sandbox."""

    kind: Literal["dir", "file", "none"]
    mode: int = 0o644
    size: int = 0
    """Bytes of a file; 0 if that is not known."""
    missing: int = 0
    """Of what is not there: how many folders a copy makes, itself included."""


class ByHand:
    """Copies between this machine and `remote`, which may keep what `say` tells. Errors name the path and the side."""

    def __init__(
        self,
        remote: RemoteFiles,
        how: CopyOptions,
        emit: ProgressHandler = ignore_progress,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._meter = TransferMeter(emit)
        self._remote = PersistentFiles(MeteredFiles(remote, self._meter), say)
        self._how = how

    async def probe(self, there: SandboxPath, name: str = "") -> Probed:
        """Return what is at a path in the sandbox; `name` is what may be put into it.

        What copies that were killed have left there is removed.
        """
        places = leftovers.folders(there.path, name)
        ran = await self._remote.run(("sh", "-c", hand_scripts.PROBE, "sh", *places[:3]))
        found, *left = ran.output.split("\n")
        if paths := leftovers.abandoned(left, places):
            await self._remote.remove(paths)
        kind, *told = found.split()
        if kind != "file":
            return Probed("dir" if kind == "dir" else "none", missing=_number(told))
        return Probed("file", int(told[0], 8) & PERMISSIONS, _number(told[1:]))

    # -- into the sandbox ----------------------------------------------------------------------------------

    async def put(self, source: str, to: SandboxPath) -> Moved:
        """Copy a file or folder of this machine into the sandbox."""
        contents = source.endswith("/.") or source in (".", "..")
        path = os.path.abspath(source)
        try:
            status = os.stat(path) if self._how.follow or contents or source.endswith("/") else os.lstat(path)
        except OSError as error:
            raise _here(source, error) from error
        probed = await self.probe(to, os.path.basename(path))
        found = probed.kind
        inside = found == "dir" or (to.path.endswith("/") and not stat.S_ISDIR(status.st_mode))
        if inside and not contents:
            to = to.below(os.path.basename(path))
        elif found == "file" and stat.S_ISDIR(status.st_mode):
            raise SbxError(f"{to.label} is a file there, and {source} a folder")
        if stat.S_ISREG(status.st_mode):
            self._meter.begin(1, status.st_size)
            await self._put_file(path, status, to)
            self._meter.arrived(1, status.st_size)
            return Moved(1, status.st_size)
        return await self._put_tree(path, status, to, probed.missing)

    async def put_contents(self, data: bytes, to: SandboxPath, mode: int = 0o644) -> Moved:
        """Write these contents as a file."""
        found = await self.probe(to)
        if found.kind == "dir" or to.path.endswith("/"):
            raise SbxError(f"{to.label} is a folder", hint="name the file, or pass a tar archive to `NAME:FOLDER/`")
        spare = leftovers.temporary(posixpath.dirname(to.path))
        self._meter.begin(1, len(data))
        async with self._remote.staged(spare):
            await self._remote.write(spare, data)
            await self._place(spare, to, found.mode if found.kind == "file" else mode)
        self._meter.arrived(1, len(data))
        return Moved(1, len(data))

    async def put_archive(self, data: bytes, to: SandboxPath) -> None:
        """Unpack a tar archive into a folder that has been probed."""
        stage = leftovers.temporary("")
        self._meter.begin(1, len(data))
        async with self._remote.staged(f"{to.path.rstrip('/')}/{stage}"):
            await self._remote.write(f"{to.path.rstrip('/')}/{stage}.tar", data)
            await self._unpack(to, stage)
            await self._merge(to, stage)
        self._meter.arrived(1, len(data))

    async def _put_file(self, path: str, status: os.stat_result, to: SandboxPath) -> None:
        spare = leftovers.temporary(posixpath.dirname(to.path.rstrip("/")))
        found = ScannedEntry(
            path, ManifestEntry("file", status.st_mode & PERMISSIONS, status.st_size), signature_of(status)
        )
        async with self._remote.staged(spare):
            if await persist(lambda: single.send(self._remote, spare, found, Memory())) is None:
                raise SbxError(f"{path} changed while it was copied", hint="try it again")
            await self._place(spare, to, found.entry.mode)

    async def _place(self, spare: str, to: SandboxPath, mode: int) -> None:
        ran = await self._remote.run(("sh", "-c", hand_scripts.PLACE, "sh", spare, to.path, f"{mode:o}"))
        if ran.code == 21:
            raise SbxError(f"{to.label} is a folder")
        _check(ran, to)

    async def _put_tree(self, path: str, status: os.stat_result, to: SandboxPath, missing: int) -> Moved:
        """In parts, each an archive, into a folder beside the target, from which all is moved at the end.

        `missing` as `Probed` has it: these folders are removed again if the copy fails, or is interrupted.
        """
        found = await call_in_thread(lambda: dict(self._walk(path, status)))
        here = {name: file.entry for name, file in found.items()}
        top, parent = ("", to) if stat.S_ISDIR(status.st_mode) else (os.path.basename(to.path), _above(to))
        changes = compare(here, {})
        total = sum(entry.size for entry in here.values())
        stage = leftovers.temporary("")
        self._meter.begin(len(changes.send), total)
        made = hand_scripts.upward(to.path, missing)
        async with self._remote.staged(f"{parent.path.rstrip('/')}/{stage}", made=made):
            for piece in parts(changes, here, PART):
                await self._send_part(piece, found, parent, stage, top)
                self._meter.arrived(len(piece.send), sum(here[name].size for name in piece.send))
            await self._merge(parent, stage)
        return Moved(len(changes.send), total)

    async def _send_part(
        self, piece: PathChanges, found: dict[str, ScannedEntry], to: SandboxPath, stage: str, top: str
    ) -> None:
        large = dict.fromkeys(name for name in piece.send if found[name].entry.size > PART)
        names = [name for name in (*piece.directories, *piece.send) if name not in large]
        packed = await call_in_thread(pack, top, names, found, Memory())
        if packed.unsettled:
            name = found[min(packed.unsettled)].path
            raise SbxError(f"{name} changed while it was copied", hint="try it again")
        folder = to.path.rstrip("/")
        await self._remote.write(f"{folder}/{stage}.tar", packed.finished())
        await self._unpack(to, stage)
        for name in large:
            target = to.below(f"{stage}/tree/{top}{name}")
            await self._put_file(found[name].path, os.stat(found[name].path), target)

    async def _unpack(self, to: SandboxPath, stage: str) -> None:
        flags = "-xpf" if self._how.archive else "-xpof"
        _check(
            await self._remote.run(("sh", "-c", hand_scripts.UNPACK, "sh", to.path.rstrip("/") or "/", stage, flags)),
            to,
        )

    async def _merge(self, to: SandboxPath, stage: str) -> None:
        arguments = ("sh", "-c", hand_scripts.MERGE, "sh", to.path, name_text(scripts.merging(stage)), stage)
        _check(await self._remote.run(arguments), to)

    def _walk(self, top: str, status: os.stat_result) -> Iterator[tuple[str, ScannedEntry]]:
        """Everything below a folder; of what is none, itself under an empty name."""
        if not stat.S_ISDIR(status.st_mode):
            yield "", _found(top, status)
            return
        waiting = [("", top)]
        while waiting:
            below, directory = waiting.pop()
            try:
                entries = list(os.scandir(directory))
            except OSError as error:
                raise _here(directory, error) from error
            for entry in entries:
                check_cancelled()
                name = f"{below}/{entry.name}" if below else entry.name
                try:
                    found = entry.stat(follow_symlinks=self._how.follow)
                except OSError as error:
                    raise _here(entry.path, error) from error
                if stat.S_ISDIR(found.st_mode):
                    waiting.append((name, entry.path))
                if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode):
                    yield name, _found(os.path.realpath(entry.path) if self._how.follow else entry.path, found)

    # -- out of the sandbox --------------------------------------------------------------------------------

    async def get(self, source: SandboxPath, to: str) -> Moved:
        """Copy a file or folder of the sandbox to this machine."""
        contents = source.path.endswith("/.")
        probed = await self._exists(source)
        target = os.path.abspath(to)
        if os.path.isdir(target) and not contents:
            target = os.path.join(target, posixpath.basename(posixpath.normpath(source.path)))
        if to.endswith("/") and probed.kind == "file" and not os.path.isdir(to):
            raise SbxError(f"{to}: no such folder on this machine")
        if not os.path.isdir(os.path.dirname(target)):
            raise SbxError(f"{os.path.dirname(target)}: no such folder on this machine")
        if probed.kind == "file":
            return await self._get_file(source, target, probed)
        if os.path.lexists(target) and not os.path.isdir(target):
            raise SbxError(f"{to} is a file here, and {source.label} a folder")
        return await self._get_tree(source, target)

    async def _exists(self, source: SandboxPath) -> Probed:
        probed = await self.probe(source)
        if probed.kind == "none":
            raise SbxError(f"{source.label}: no such file or folder in the sandbox")
        return probed

    async def _get_file(self, source: SandboxPath, target: str, probed: Probed) -> Moved:
        if os.path.isdir(target):
            raise SbxError(f"{target} is a folder here, and {source.label} a file")
        spare = _spare(target)
        self._meter.begin(1, probed.size, out=True)
        try:
            with open(spare, "xb") as file:
                await self._remote.fetch(source.path, file.write)
                os.fchmod(file.fileno(), probed.mode)
                size = file.tell()
            os.replace(spare, target)
        except OSError as error:
            raise _here(target, error) from error
        finally:
            if os.path.exists(spare):
                os.unlink(spare)
        return Moved(1, size)

    async def _get_tree(self, source: SandboxPath, target: str) -> Moved:
        spare = _spare(target)
        try:
            os.mkdir(spare, 0o700)
            archive = os.path.join(spare, "tar")
            with open(archive, "xb") as file:
                await self.get_archive(source, file.write)
            return Moved(*await call_in_thread(unpack, archive, target, owners=self._how.archive))
        except OSError as error:
            raise _here(target, error) from error
        finally:
            await call_in_thread(shutil.rmtree, spare, ignore_errors=True)

    async def get_contents(self, source: SandboxPath, take: single.Take) -> None:
        """Write a file's contents as they are, a folder as a tar archive."""
        probed = await self._exists(source)
        if probed.kind == "dir":
            await self.get_archive(source, take)
        else:
            self._meter.begin(1, probed.size, out=True)
            await self._remote.fetch(source.path, take)

    async def get_archive(self, source: SandboxPath, take: single.Take) -> None:
        """Write a folder as a tar archive."""
        archive = f"{leftovers.temporary(leftovers.SHARED)}.tar"
        flags = "-chf" if self._how.follow else "-cf"
        async with self._remote.staged(archive, throughout=True):
            packed = await self._remote.run(("sh", "-c", hand_scripts.PACK, "sh", source.path, archive, flags))
            _check(packed, source)
            self._meter.begin(0, _number(packed.output.split()), out=True)
            await self._remote.fetch(archive, take)


def _number(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() else 0


def _found(path: str, status: os.stat_result) -> ScannedEntry:
    owner = (status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return ScannedEntry(
            path,
            ManifestEntry("link", PERMISSIONS, 0, b"", os.fsencode(os.readlink(path))),
            signature_of(status),
            owner,
        )
    mode = status.st_mode & PERMISSIONS
    if stat.S_ISDIR(status.st_mode):
        return ScannedEntry(path, ManifestEntry("dir", mode), signature_of(status), owner)
    return ScannedEntry(path, ManifestEntry("file", mode, status.st_size), signature_of(status), owner)


def _above(there: SandboxPath) -> SandboxPath:
    return SandboxPath(posixpath.dirname(there.path.rstrip("/")) or "/", there.label)


def _spare(path: str) -> str:
    """Return an unused name beside a path."""
    directory, name = os.path.split(path.rstrip("/"))
    return os.path.join(directory, f".{name[:100]}.{secrets.token_hex(6)}")


def _here(path: str, error: OSError) -> SbxError:
    return SbxError(f"{path}: {(error.strerror or str(error)).lower()} (on this machine)")


def _check(ran: RemoteResult, there: SandboxPath) -> None:
    if ran.code == 0:
        return
    words = ran.words.strip() or f"exit code {ran.code}"
    raise CopyFailed(f"{there.label}: {words}", hint=no_room(words))
