"""What the routes share: whom a request is addressed to, bodies with a limit, queries."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http import validation
from sbxcompose.host.http.validation import M
from sbxcompose.host.sandboxes.sandbox import HostedSandbox
from sbxcompose.host.supervise.processes import Processes

MAX_BODY = 4 * 1024 * 1024
"""Bytes of an ordinary JSON body."""
PATIENCE = 60.0
"""Seconds that such a body may take. (Files and a process's input may take as long as they like.)"""
MAX_BATCH = 64 * 1024 * 1024
"""Bytes of a batch: thousands of starts."""


def sandbox_of(request: Request) -> HostedSandbox:
    """Return the sandbox that the request is addressed to. Raises `Problem`."""
    sandbox: HostedSandbox = request.state.sandbox()
    return sandbox


def processes_of(request: Request) -> Processes:
    """Return the processes of that sandbox. Raises `Problem`."""
    return sandbox_of(request).processes


async def read_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """Return the whole body. Raises `Problem` if it is larger than `limit` (413; no more than that is ever held), or
    does not come (408).
    """
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.stream():
                size += len(piece)
                if size > limit:
                    raise Problem(413, f"the body is larger than {limit} bytes", "TOO_LARGE")
                pieces.append(piece)
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {PATIENCE:g} s", "TIMEOUT") from None
    return b"".join(pieces)


async def read_message(cls: type[M], request: Request, limit: int = MAX_BODY) -> M:
    """Read the body as a message; an empty one is an empty object. Raises `Invalid` or `Problem`."""
    return validation.read(cls, await read_body(request, limit))


def query_bytes(request: Request, name: str) -> bytes | None:
    """Return a value from the query byte for byte, which need not be text; None if missing. `+` is a space."""
    for pair in request.scope["query_string"].split(b"&"):
        key, _, value = pair.partition(b"=")
        if unquote_to_bytes(key.replace(b"+", b" ")) == name.encode():
            return unquote_to_bytes(value.replace(b"+", b" "))
    return None


def query_number(request: Request, name: str, low: int, high: int) -> int | None:
    """Return a whole number from the query; None if it is not there. Raises `Problem`."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18 or not low <= int(text) <= high:
        raise Problem(400, f"{name} must be a whole number from {low} to {high}, not {text[:40]!r}", "BAD_QUERY")
    return int(text)
