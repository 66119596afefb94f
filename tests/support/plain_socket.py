"""A WebSocket through the stand-in for a cloud: passed on byte by byte, without what only our host understands."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import h11

from sbxcompose.api.pty import POSITION_HEADER

_NOT_PASSED_ON = {b"host", b"authorization"}


def wants_socket(request: h11.Request) -> bool:
    """Whether a request asks for a WebSocket."""
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in request.headers)


async def pass_socket(
    target: Path, sandbox: str, request: h11.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Open the socket at the host behind `target`, and pass on both directions until one has ended."""
    onward_reader, onward_writer = await asyncio.open_unix_connection(str(target))
    try:
        onward_writer.write(_asked(request, sandbox))
        writer.write(_told(await onward_reader.readuntil(b"\r\n\r\n")))
        both = [asyncio.ensure_future(_copy(*way)) for way in ((reader, onward_writer), (onward_reader, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for item in both:
                item.cancel()
            await asyncio.gather(*both, return_exceptions=True)
    finally:
        onward_writer.close()


def _asked(request: h11.Request, sandbox: str) -> bytes:
    path = re.sub(rb"(?<=[?&])since=\d+(&|$)", b"", request.target).rstrip(b"?&")
    kept = [b"%s: %s" % header for header in request.headers if header[0] not in _NOT_PASSED_ON]
    added = [b"Host: localhost", b"X-Tensorlake-Sandbox-Id: " + sandbox.encode()]
    return b"\r\n".join([b"GET %s HTTP/1.1" % path, *added, *kept, b"", b""])


def _told(head: bytes) -> bytes:
    return re.sub(rb"(?im)^%s:.*\r\n" % POSITION_HEADER.encode(), b"", head)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()
