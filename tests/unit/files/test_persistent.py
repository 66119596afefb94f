"""Files of a sandbox over a connection that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sbxcompose.errors import SbxError, Unreachable
from sbxcompose.files import persistent
from sbxcompose.files.persistent import TRIES, PersistentFiles
from sbxcompose.files.remote import RemoteResult, Streamed


class Cut:
    """A file system that hands out `pieces`, one list for each time that it is asked; a list without end is cut off."""

    def __init__(self, *tries: tuple[list[bytes], bool]) -> None:
        self.tries = list(tries)

    async def read(self, path: str) -> bytes | None:
        raise NotImplementedError

    async def fetch(self, path: str, take: Callable[[bytes], object]) -> bool:
        pieces, whole = self.tries.pop(0)
        for piece in pieces:
            take(piece)
        if not whole:
            raise Unreachable("cut")
        return True

    async def write(self, path: str, contents: bytes | Streamed) -> None:
        raise NotImplementedError

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        self.tries.pop(0)
        raise Unreachable("cut")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistent, "PAUSE", 0.0)


def fetched(*tries: tuple[list[bytes], bool]) -> bytes:
    """What is handed on of a file."""
    found: list[bytes] = []
    asyncio.run(PersistentFiles(Cut(*tries)).fetch("/x", found.append))
    return b"".join(found)


def test_a_file_continues_where_it_was_cut() -> None:
    assert fetched(([b"ab", b"cd"], False), ([b"a"], False), ([b"abc", b"def"], True)) == b"abcdef"


def test_a_file_that_has_changed_meanwhile_is_refused() -> None:
    with pytest.raises(SbxError, match="/x changed while it was copied"):
        fetched(([b"ab"], False), ([b"xyz"], True))


def test_what_stays_broken_is_given_up() -> None:
    cut = Cut(*[([], False)] * (TRIES + 1))
    with pytest.raises(Unreachable):
        asyncio.run(PersistentFiles(cut).run(("true",)))
    assert len(cut.tries) == 1
