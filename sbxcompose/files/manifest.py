"""What a tree consists of, and the record of it that lives in the sandbox; pure.

The record is a file of frames that are only ever appended, or replaced as a whole: each says which entries there are
now and which paths are no longer the copy's. Before anything is touched, a frame says which paths will be, with
contents that are unknown; after it, one says what they are. So a copy that is cut anywhere leaves a record that claims
too little, never too much. A frame that was cut itself ends the record, and the next writer replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct, field

EntryKind = Literal["file", "dir", "link"]

DIGEST_SIZE = 16
_CHECK_SIZE = 8
_HEADER = 4 + _CHECK_SIZE


class ManifestEntry(Struct, frozen=True, array_like=True, gc=False):
    """One path. `mode`: permission bits; `size` in bytes; `digest` of a file's contents, `target` of a link.

    A file whose digest is empty, or an entry whose mode is negative, belongs to the copy but is in an unknown state.
    """

    kind: EntryKind
    mode: int = 0
    size: int = 0
    digest: bytes = b""
    target: bytes = b""

    @property
    def known(self) -> bool:
        """Whether what is there is certain."""
        return self.mode >= 0 and (self.kind != "file" or bool(self.digest))


Manifest = Mapping[str, ManifestEntry]
"""Entries by relative path, with `/`, as text with undecodable bytes escaped."""


class _Frame(Struct, frozen=True, array_like=True):
    """`put` holds (path, entry); `whole`: what came before does not count."""

    whole: bool
    put: list[tuple[bytes, ManifestEntry]] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)


class ManifestRecord(Struct, frozen=True):
    """A record as read: what belongs to the copy, its size in bytes, and whether the next writer should replace it."""

    entries: dict[str, ManifestEntry]
    size: int = 0
    worn: bool = False


def digest_bytes(contents: bytes) -> bytes:
    """Return the digest of a file with these contents."""
    return blake2b(contents, digest_size=DIGEST_SIZE).digest()


def name_bytes(path: str) -> bytes:
    """Return the bytes that a path has on disk."""
    return path.encode("utf-8", "surrogateescape")


def name_text(path: bytes) -> str:
    """Return the inverse of `name_bytes`."""
    return path.decode("utf-8", "surrogateescape")


def fingerprint(manifest: Manifest) -> str:
    """Equal for equal trees, and for no others."""
    return blake2b(msgspec.msgpack.encode(_pairs(manifest)), digest_size=DIGEST_SIZE).hexdigest()


def write_whole(manifest: Manifest) -> bytes:
    """Return a record that says just this."""
    return _framed(_Frame(True, _pairs(manifest)))


def write_change(put: Manifest, gone: Iterable[str] = ()) -> bytes:
    """Return what is appended to a record when these entries are so now, and those paths no longer the copy's."""
    return _framed(_Frame(False, _pairs(put), sorted(map(name_bytes, gone))))


def read_record(data: bytes) -> ManifestRecord:
    """Return the record in `data`; what is damaged or cut ends it."""
    entries: dict[str, ManifestEntry] = {}
    at = whole_size = 0
    while (frame := _frame_at(data, at)) is not None:
        length, content = frame
        if content.whole:
            entries.clear()
            whole_size = length
        entries.update((name_text(path), entry) for path, entry in content.put)
        for path in content.gone:
            entries.pop(name_text(path), None)
        at += length
    torn = at < len(data)
    # Replaced once it is twice as long as when it was last written whole: it is read at each copy.
    return ManifestRecord(entries, len(data), torn or len(data) > 2 * whole_size + 65536)


def _pairs(manifest: Manifest) -> list[tuple[bytes, ManifestEntry]]:
    return sorted([(name_bytes(path), entry) for path, entry in manifest.items()], key=lambda pair: pair[0])


def _framed(frame: _Frame) -> bytes:
    payload = msgspec.msgpack.encode(frame)
    return len(payload).to_bytes(4, "big") + _check(payload) + payload


def _frame_at(data: bytes, at: int) -> tuple[int, _Frame] | None:
    """Return the length of the frame that begins there, and the frame; None where none, or no whole one, begins."""
    payload = data[at + _HEADER : at + _HEADER + int.from_bytes(data[at : at + 4], "big")]
    if len(data) < at + _HEADER or data[at + 4 : at + _HEADER] != _check(payload):
        return None
    try:
        return _HEADER + len(payload), msgspec.msgpack.decode(payload, type=_Frame)
    except msgspec.MsgspecError:
        return None


def _check(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=_CHECK_SIZE).digest()
