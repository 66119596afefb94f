"""A tar archive in the old GNU format, which every `tar` reads: names are bytes, as long as they like; pure.

The standard library's tarfile takes some 100 µs for a member, several times of what reading a small file costs.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

Type = Literal[b"0", b"2", b"5", b"L", b"K"]

Owner = tuple[int, int]
"""User and group, by number."""

BLOCK = 512
END = bytes(2 * BLOCK)
_LONG = b"././@LongLink"
_NAME = 100
_LARGEST = 8**11


def member(name: bytes, mode: int, size: int = 0, mtime: int = 0, target: bytes = b"", owner: Owner = (0, 0)) -> bytes:
    """Return the header of a member; its contents follow, and `padding`.

    What has a target is a link, what has a name that ends with a slash a folder, and all else a file.
    """
    kind: Type = b"2" if target else b"5" if name.endswith(b"/") else b"0"
    long = (_long(b"K", target) if len(target) > _NAME else b"") + (_long(b"L", name) if len(name) > _NAME else b"")
    return long + _block(name[:_NAME], kind, _numbers(mode, size, mtime, owner), target[:_NAME])


def _long(kind: Type, text: bytes) -> bytes:
    """Return the member with the name or the target of the next one, where that is too long for its header."""
    size = len(text) + 1
    return _block(_LONG, kind, _numbers(0, size, 0, (0, 0))) + text + b"\0" + padding(size)


def padding(size: int) -> bytes:
    """Return what fills the last block of contents of that size."""
    return bytes(-size % BLOCK)


def _numbers(mode: int, size: int, mtime: int, owner: Owner) -> bytes:
    ids = b"%07o\0%07o\0" % tuple(number if number < 8**7 else 0 for number in owner)
    return b"%07o\0%s%s%s" % (mode, ids, _number(size), _number(mtime))


def _block(name: bytes, kind: Type, numbers: bytes, target: bytes = b"") -> bytes:
    head = name.ljust(_NAME, b"\0") + numbers
    tail, weight = _tail(kind, target)
    return head + b"%06o\0 " % (sum(head) + weight) + tail


@lru_cache(maxsize=64)
def _tail(kind: Type, target: bytes) -> tuple[bytes, int]:
    """Return what follows the checksum, which most members share, and what it adds to that, its own eight spaces
    included.
    """
    tail = b"%s%sustar  \0%s" % (kind, target.ljust(_NAME, b"\0"), bytes(247))
    return tail, sum(tail) + 8 * 32


def _number(value: int) -> bytes:
    """Octal, or binary where that is too small."""
    if 0 <= value < _LARGEST:
        return b"%011o\0" % value
    return (0x80 << 88 | value).to_bytes(12, "big") if value >= 0 else b"%011o\0" % 0
