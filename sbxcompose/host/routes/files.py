"""The daemon's file routes (contract, section 4).

A name need not be text: its bytes come percent-encoded, and go to the file system as they are. Contents are never in
memory as a whole, and the disk is waited for in threads.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.files import inside, read
from sbxcompose.host.files.read import CHUNK, NotAFile, Reading
from sbxcompose.host.files.upload import Upload
from sbxcompose.host.http.stream import StreamAnswer
from sbxcompose.host.isolation.plan import path_hint
from sbxcompose.host.routes.common import query_bytes, sandbox_of

T = TypeVar("T")


class _Named:
    """The file that a request names, and what to do with it."""

    def __init__(self, request: Request) -> None:
        sandbox = sandbox_of(request)
        self.given = query_bytes(request, "path") or b""
        self.path = read.resolve(self.given, sandbox.workdir)
        self._sandbox = sandbox

    @asynccontextmanager
    async def root(self) -> AsyncIterator[int | None]:
        """Open the root directory of an isolated sandbox, as a descriptor; None is that of the machine."""
        isolation = self._sandbox.workload.isolation
        if isolation is None:
            yield None
        else:
            async with isolation.entered(lambda: self._sandbox.occupied) as root:
                yield root

    async def do(self, work: Callable[[], T]) -> T:
        """Return what `work` gives, in a thread. Raises `Problem`."""
        try:
            return await asyncio.to_thread(work)
        except (OSError, NotAFile) as error:
            problem = read.problem(error, self.given)
            if problem.status == 404:
                problem.hint = path_hint(problem.error, isolated=self._sandbox.isolated)
            raise problem from None


async def get(request: Request) -> StreamAnswer | Response:
    """GET /files: a stream of known length, or for files that do not tell (below /proc), one that just ends."""
    named = _Named(request)
    async with named.root() as root:
        reading = await named.do(partial(_read, root, named.path))
    try:
        if request.method == "HEAD":
            reading.close()
            return Response(headers={"content-length": str(reading.size)}, media_type=OCTETS)
        first = await named.do(reading.read)
    except BaseException:
        reading.close()
        raise
    size = _size(reading, first)
    length = {} if size is None else {"content-length": str(size)}
    contents = _contents(named, reading, first, size)
    return StreamAnswer(contents, OCTETS, headers=length, end=lambda: asyncio.to_thread(reading.close))


def _read(root: int | None, path: bytes) -> Reading:
    if root is None:
        return Reading(path)
    with inside.existing(root, path) as place:
        return Reading(place.path)


def _size(reading: Reading, first: bytes) -> int | None:
    if len(first) < CHUNK:
        return len(first)
    return reading.size if reading.size > CHUNK else None


async def _contents(named: _Named, reading: Reading, piece: bytes, size: int | None) -> AsyncGenerator[bytes, None]:
    """Yield the file as long as it was when it was opened: what is appended meanwhile is not part of the answer."""
    left = size
    try:
        while piece and left != 0:
            piece = piece if left is None else piece[:left]
            yield piece
            left = None if left is None else left - len(piece)
            piece = await asyncio.to_thread(reading.read)
        if left:
            raise OSError(f"it shrank by {left} bytes while it was being sent")
    except OSError as error:  # too late for an answer: the client sees the stream break off
        print(f"{read.show(named.path)}: {error}", file=sys.stderr)
        raise


async def put(request: Request) -> Response:
    """PUT /files: the file is as it was until all has come."""
    named = _Named(request)
    async with named.root() as root:
        place = None if root is None else await named.do(partial(inside.to_write, root, named.path))
        try:
            await _upload(named, request, None if place is None else place.path)
        finally:
            if place is not None:
                place.close()
    return Response(status_code=204)


async def _upload(named: _Named, request: Request, target: bytes | None) -> None:
    upload = await named.do(lambda: Upload(named.path, target))
    try:
        async for piece in request.stream():
            if piece:
                await named.do(partial(upload.write, piece))
        await named.do(upload.commit)
    finally:
        await asyncio.to_thread(upload.close)


async def delete(request: Request) -> Response:
    """DELETE /files. A directory is refused with 500, as the contract has it."""
    named = _Named(request)
    try:
        async with named.root() as root:
            await named.do(partial(_delete, root, named.path))
    except Problem as problem:
        problem.status = 500 if problem.code == "IS_DIRECTORY" else problem.status
        raise
    return Response(status_code=204)


def _delete(root: int | None, path: bytes) -> None:
    if root is None:
        read.delete(path)
    else:
        with inside.entry(root, path) as place:
            read.delete(place.path)


async def list_directory(request: Request) -> Response:
    """GET /files/list."""
    named = _Named(request)
    async with named.root() as root:
        answer = await named.do(partial(_list, root, named.path, named.given))
    return Response(answer, media_type="application/json")


def _list(root: int | None, path: bytes, given: bytes) -> bytes:
    if root is None:
        return read.listing(path, given)
    with inside.existing(root, path) as place:
        return read.listing(place.path, given, lambda name: inside.stat_of(root, os.path.join(path, name)))


OCTETS = "application/octet-stream"

ROUTES = [
    Route("/api/v1/files", get),
    Route("/api/v1/files", put, methods=["PUT"]),
    Route("/api/v1/files", delete, methods=["DELETE"]),
    Route("/api/v1/files/list", list_directory),
]
