"""A sandbox's file system as the contract has it: whole files in and out, and commands (sections 3.8 and 4)."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import Protocol

from msgspec import Struct


class Streamed(Struct, frozen=True):
    """Contents that come piece by piece; `size` is their length in bytes. `begin` gives them from the beginning."""

    begin: Callable[[], AsyncIterable[bytes]]
    size: int

    @property
    def pieces(self) -> AsyncIterable[bytes]:
        """The contents, from the beginning each time."""
        return self.begin()


class RemoteResult(Struct, frozen=True):
    """How a command ended, and the last of what it wrote to standard error; a signal is a code of 128 + its number."""

    code: int
    words: str
    output: str = ""
    """The beginning of what it wrote to standard output."""


class RemoteFiles(Protocol):
    """What copying needs of a sandbox. Paths are absolute. Every method raises `ProviderError`s."""

    async def read(self, path: str) -> bytes | None:
        """Return the contents of a file; None if there is none."""

    async def fetch(self, path: str, take: Callable[[bytes], object]) -> bool:
        """Hand a file's contents to `take`, piece by piece; False if there is none."""

    async def write(self, path: str, contents: bytes | Streamed) -> None:
        """Write a file and the folders above it. A reader may see half of it."""

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        """Run a command to its end."""
