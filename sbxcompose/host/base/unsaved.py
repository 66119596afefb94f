"""What should be in files of the host's state and could not be written, for want of space.

It is held in a memory file that the keeper holds as well, so that the next server finds it when this one is killed, at
whatever moment. A reader of the state asks here first. `write_back` writes it as soon as there is room.
"""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sbxcompose.host.keeper.client import KeeperClient

NAME = "unsaved-files"
"""Under this name the keeper holds the memory file."""
_BOUNDS = struct.Struct("<QQ")
"""The head of the memory file: the positions between which the entries are. It is written last, so what a killed server
has not finished is outside of them.
"""
_HEAD = struct.Struct("<II")
"""Lengths of a path and of what is to be in the file; `_SAVED` instead of the latter for one that was written."""
_SAVED = 0xFFFF_FFFF
_COMPACT = 2 * 1024 * 1024
"""Bytes of entries after which they are written anew; twice what is held, if that is more."""

_files: dict[str, bytes] = {}
_keeper: KeeperClient | None = None
_memory: int | None = None


def begin(keeper: KeeperClient) -> None:
    """Take over what the last server could not write; `keeper` has been asked what it holds."""
    global _keeper, _memory
    _keeper = keeper
    _memory = keeper.kept(NAME)
    _files.clear()
    if _memory is not None:
        _files.update(read(_memory))


def paths() -> list[str]:
    """Return the files that are to be written."""
    return list(_files)


def content(path: str) -> bytes | None:
    """Return what is to be in a file; None if that is what is in it."""
    return _files.get(path)


def hold(path: str, data: bytes) -> None:
    """Hold what a file is to contain."""
    _files[path] = data
    _note(path, data)


def release(path: str) -> None:
    """Forget a file that was written, or is not wanted; no harm if it is not held."""
    if _files.pop(path, None) is None:
        return
    if _files:
        _note(path, None)
    elif _memory is not None:
        os.ftruncate(_memory, 0)


def read(memory: int) -> dict[str, bytes]:
    """Return what a memory file holds. What a killed server has not finished is left out."""
    files: dict[str, bytes] = {}
    begin, end = _bounds(memory)
    for path, data in _entries(os.pread(memory, end - begin, begin)):
        files.pop(path, None)
        if data is not None:
            files[path] = data
    return files


def _entries(data: bytes) -> Iterator[tuple[str, bytes | None]]:
    at = 0
    while at + _HEAD.size <= len(data):
        name, size = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size + name
        at = start + (0 if size == _SAVED else size)
        if at > len(data):
            return
        yield os.fsdecode(data[start - name : start]), None if size == _SAVED else data[start:at]


def _note(path: str, data: bytes | None) -> None:
    """Append to the memory file, which is made when it is first needed. Without memory it is held here alone."""
    global _memory
    if _keeper is None:
        return
    try:
        if _memory is None:
            _memory = os.memfd_create("sbxcompose-unsaved")
            _keeper.keep(NAME, _memory)
        _append(_memory, path, data)
    except OSError:
        return


def _append(memory: int, path: str, data: bytes | None) -> None:
    begin, end = _bounds(memory)
    if end - begin > max(_COMPACT, 2 * sum(map(len, _files.values()))):
        added = b"".join(_entry(held, _files[held]) for held in _files)
        # Before what counts until now if there is room, and else after it; never over it.
        begin = end = _BOUNDS.size if len(added) <= begin - _BOUNDS.size else end
    else:
        added = _entry(path, data)
    written = 0
    while written < len(added):
        written += os.pwrite(memory, memoryview(added)[written:], end + written)
    os.pwrite(memory, _BOUNDS.pack(begin, end + written), 0)
    os.ftruncate(memory, end + written)


def _bounds(memory: int) -> tuple[int, int]:
    head = os.pread(memory, _BOUNDS.size, 0)
    return _BOUNDS.unpack(head) if len(head) == _BOUNDS.size else (_BOUNDS.size, _BOUNDS.size)


def _entry(path: str, data: bytes | None) -> bytes:
    name = os.fsencode(path)
    return _HEAD.pack(len(name), _SAVED if data is None else len(data)) + name + (data or b"")
