"""Unpack an archive that came out of a sandbox. It is not trusted: nothing of it may end up elsewhere.

`members.py` has checked the names. Here no link is followed below the folder, whoever made it: every directory is
opened relative to its parent, and refused if it is a link. A file appears under its name when it is complete.
"""

from __future__ import annotations

import errno
import os
import secrets
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sbxcompose.errors import SbxError
from sbxcompose.files.members import LONGEST, Contents, Member, check, encode
from sbxcompose.threads import check_cancelled

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PERMISSIONS = 0o777
"""No set-user-ID, set-group-ID or sticky bit is taken over."""
_LATEST = 1 << 33
"""Seconds since 1970: some file systems keep no later times; what an archive claims beyond is ignored."""
_PIECE = 1 << 20
_EXTENDED = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_LONGEST_HEADER = 4 * LONGEST


class _CheckedInfo(tarfile.TarInfo):
    """A header that costs tarfile neither endless time (negative sizes) nor much of it (large extended headers)."""

    def _block(self, count: int) -> int:
        """Override what tarfile asks for the space of everything that follows a header."""
        if count < 0 or (count > _LONGEST_HEADER and self.type in _EXTENDED):
            raise tarfile.ReadError(f"a header that claims {count} bytes")
        return -(-count // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def unpack(archive: str, target: str, *, owners: bool = False) -> tuple[int, int]:
    """Unpack into the folder `target`, made if it is missing; return the number of files and their bytes.

    Devices, FIFOs and sockets are left out. `owners`: keep the owners, which only root can.
    Raises `SbxError`, before anything is written, for an archive that is damaged or leads out of the folder.
    """
    with _open(archive) as tar:
        contents = _contents(tar)
        os.makedirs(target, exist_ok=True)
        with _Tree(target, owners and os.geteuid() == 0) as tree:
            _fill(tree, contents, tar)
    files = contents.of("file", "hard link", "link")
    return len(files), sum(member.info.size for member in files if member.kind == "file")


@contextmanager
def _open(archive: str) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, "r:", tarinfo=_CheckedInfo, encoding="utf-8", errors="surrogateescape") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise SbxError(f"cannot unpack what the sandbox sent: {error}") from error


def _contents(tar: tarfile.TarFile) -> Contents:
    """Return all members, checked. tarfile takes a damaged header for the end, so the real end is looked for."""
    contents = check(_members(tar))
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("the archive is damaged or incomplete")
    return contents


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for info in tar:
        check_cancelled()
        yield info


def _fill(tree: _Tree, contents: Contents, tar: tarfile.TarFile) -> None:
    """Links come last, so that nothing of the archive can be on the way to anything else of it."""
    try:
        for member in contents.of("dir"):
            tree.make_directory(member)
        for member in contents.of("file"):
            tree.write_file(member, tar)
        for member in contents.of("hard link"):
            tree.link_file(member)
        for member in contents.of("link"):
            tree.make_link(member)
    finally:
        # Also of what was interrupted or has failed: what stays is not closed to others, nor root's, for that.
        tree.finish_directories()


class _Tree:
    """The folder that is unpacked into, entered by descriptors only."""

    def __init__(self, path: str, owners: bool) -> None:
        self._path = path
        self._owners = owners
        self._made: list[Member] = []

    def __enter__(self) -> _Tree:
        self._root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def make_directory(self, member: Member) -> None:
        """Make a directory that this user can write to for now. One that exists keeps its mode, owner and times."""
        if not member.parts:
            return
        with self._parent(member) as (directory, name):
            try:
                os.mkdir(name, 0o700, dir_fd=directory)
                self._made.append(member)
            except FileExistsError:
                os.close(os.open(name, _DIRECTORY, dir_fd=directory))

    def finish_directories(self) -> None:
        """Give the new directories their modes and times, the innermost first: some may not be entered then."""
        for member in sorted(self._made, key=lambda made: len(made.parts), reverse=True):
            with self._directory(member.parts, member) as directory:
                self._set_metadata(directory, member)

    def write_file(self, member: Member, tar: tarfile.TarFile) -> None:
        """Write a file."""
        source = tar.extractfile(member.info)
        assert source is not None
        with (
            source,
            self._replacing(member) as (directory, spare),
            open(os.open(spare, _NEW_FILE, 0o600, dir_fd=directory), "wb") as file,
        ):
            while piece := source.read(_PIECE):
                check_cancelled()
                file.write(piece)
            file.flush()
            self._set_metadata(file.fileno(), member)

    def link_file(self, member: Member) -> None:
        """Give a file that was just written another name."""
        *above, first = encode(member.target).split(b"/")
        with self._replacing(member) as (directory, spare), self._directory(above, member) as source:
            os.link(first, spare, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)

    def make_link(self, member: Member) -> None:
        """Make a symbolic link."""
        with self._replacing(member) as (directory, spare):
            os.symlink(encode(member.target), spare, dir_fd=directory)
            if self._owners:
                os.chown(spare, member.info.uid, member.info.gid, dir_fd=directory, follow_symlinks=False)

    @contextmanager
    def _replacing(self, member: Member) -> Iterator[tuple[int, bytes]]:
        """Return a directory and a new name in it, which becomes the member's: what has it now is never written to."""
        check_cancelled()
        with self._parent(member) as (directory, name):
            spare = b".sbxcompose." + secrets.token_hex(8).encode()
            try:
                yield directory, spare
                os.rename(spare, name, src_dir_fd=directory, dst_dir_fd=directory)
            finally:
                # Also after a rename: between two links to one file rename(2) does nothing, and `spare` stays.
                with suppress(OSError):
                    os.unlink(spare, dir_fd=directory)

    @contextmanager
    def _parent(self, member: Member) -> Iterator[tuple[int, bytes]]:
        """Return the directory that a member is in, made if need be, and its name there."""
        *above, name = member.parts
        with self._directory(above, member) as directory:
            yield directory, name

    @contextmanager
    def _directory(self, parts: Sequence[bytes], member: Member) -> Iterator[int]:
        """Open a directory, made if need be. Raises `SbxError` with the member's path if the system refuses."""
        directory = os.dup(self._root)
        try:
            for part in parts:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o777, dir_fd=directory)
                below = os.open(part, _DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = below
            yield directory
        except OSError as error:
            raise SbxError(f"cannot write {os.path.join(self._path, member.name)}: {_reason(error)}") from error
        finally:
            os.close(directory)

    def _set_metadata(self, descriptor: int, member: Member) -> None:
        info = member.info
        if self._owners:
            os.fchown(descriptor, info.uid, info.gid)
        os.fchmod(descriptor, info.mode & _PERMISSIONS)
        if 0 <= info.mtime < _LATEST:  # also false of what is not a number
            os.utime(descriptor, (info.mtime, info.mtime))


def _reason(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "a file or a link on this machine is in the place of one of its directories"
    if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
        return "a folder on this machine has its name"
    return (error.strerror or str(error)).lower()
