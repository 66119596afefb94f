"""Client of one sandbox's files (contract, section 4). Contents are streamed piece by piece.

A path is a string, or bytes for a name that is not text; a relative one begins at the sandbox's working directory.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, BinaryIO
from urllib.parse import quote_from_bytes, unquote_to_bytes

from msgspec import Struct

from sbxcompose.api.connection import StreamedBody
from sbxcompose.api.http_client import HttpClient, Reply
from sbxcompose.api.wire import HttpRequest
from sbxcompose.api.wire_errors import expect, refusal
from sbxcompose.errors import SbxError
from sbxcompose.threads import call_in_thread

CHUNK = 512 * 1024
"""Bytes that are read from a file at a time."""

FilePath = str | bytes


class FileEntry(Struct, frozen=True):
    """What a directory has under a name. `size` in bytes, None for a directory; `modified_at` in ms since 1970."""

    name: str
    is_dir: bool
    size: int | None
    modified_at: int
    raw_name: bytes
    """The name as the file system has it; `name` is for people."""


class FilesClient:
    """A method an endpoint. Every method raises `Unreachable` or `Refused`; `NotFound` where nothing is there."""

    def __init__(self, transport: HttpClient, headers: Mapping[str, str]) -> None:
        self._transport = transport
        self._headers = headers

    async def read(self, path: FilePath) -> bytes:
        """Return the whole of a (small) file."""
        async with self.open(path) as stream:
            return await stream.read()

    async def fetch(self, path: FilePath, to: BinaryIO) -> int:
        """Write a file's contents to `to`; how many bytes there were. Raises `OSError` if `to` takes no more."""
        count = 0
        async with self.open(path) as stream:
            async for piece in stream.chunks():
                await call_in_thread(to.write, piece)
                count += len(piece)
        return count

    @asynccontextmanager
    async def open(self, path: FilePath) -> AsyncIterator[Reply]:
        """Open a file's contents as a stream."""
        async with self._transport.stream(HttpRequest("GET", _target("/files", path), headers=self._headers)) as stream:
            if stream.status >= 300:
                raise refusal(stream.status, await stream.read(), show(path))
            yield stream

    async def write(self, path: FilePath, data: bytes | StreamedBody) -> None:
        """Write a file, its directory too if need be. It is as it was until all has come."""
        body = data if isinstance(data, StreamedBody) else StreamedBody(_cut(data), len(data), lambda: _cut(data))
        answer = await self._transport.request(
            HttpRequest("PUT", _target("/files", path), headers=self._headers, body=body)
        )
        expect(answer, show(path))

    async def send(self, path: FilePath, source: BinaryIO) -> int:
        """Write a file with what `source` has from where it stands; how many bytes there were.

        Raises `SbxError` if `source` cannot be read, or becomes shorter meanwhile: then the file is as it was.
        """
        size = os.fstat(source.fileno()).st_size - source.tell()
        await self.write(path, StreamedBody(_pieces(source, size), size))
        return size

    async def delete(self, path: FilePath) -> None:
        """Remove a file."""
        answer = await self._transport.request(HttpRequest("DELETE", _target("/files", path), headers=self._headers))
        expect(answer, show(path))

    async def list(self, path: FilePath = ".") -> list[FileEntry]:
        """Return what a directory has: directories first, then by name."""
        answer = await self._transport.request(HttpRequest("GET", _target("/files/list", path), headers=self._headers))
        return [_entry(entry) for entry in expect(answer, show(path))["entries"]]


def show(path: FilePath) -> str:
    """Return a path for people."""
    return path if isinstance(path, str) else path.decode("utf-8", "replace")


def _target(route: str, path: FilePath) -> str:
    return f"/api/v1{route}?path={quote_from_bytes(os.fsencode(path))}"


def _entry(body: Mapping[str, Any]) -> FileEntry:
    name = body["name"]
    encoded = body.get("name_encoded")
    raw = name.encode() if encoded is None else unquote_to_bytes(encoded)
    return FileEntry(name, body["is_dir"], body.get("size"), body["modified_at"], raw)


async def _cut(data: bytes) -> AsyncGenerator[bytes, None]:
    """In pieces: what a socket does not take at once is moved about in memory, each time all of it."""
    for begin in range(0, len(data), CHUNK):
        yield data[begin : begin + CHUNK]


async def _pieces(source: BinaryIO, size: int) -> AsyncGenerator[bytes, None]:
    name, left = getattr(source, "name", "the file"), size
    while left:
        try:
            piece = await call_in_thread(source.read, min(CHUNK, left))
        except OSError as error:
            raise SbxError(f"{name} cannot be read: {error.strerror or error}") from error
        if not piece:
            raise SbxError(f"{name} became shorter while it was sent", hint="send it again")
        left -= len(piece)
        yield piece
