"""Requests that are made again when their answer is lost, or when another client was first.

A start is looked for before it is asked for again, so that nothing is ever started twice;
`start_again` decides.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from msgspec.structs import replace

from sbxcompose.api.models import Env, ProcessInfo, StartRequest
from sbxcompose.api.retries import CALL_PAUSE, CALL_TRIES, retried
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.engine.start_again import (
    AlreadyStarted,
    Retry,
    StopRival,
    UseOtherName,
    after_failure,
    unnamed_after_failure,
)
from sbxcompose.errors import Conflict, Unavailable, Unreachable

EXTENSION = "start-key"
"""What a daemon lists that knows the key of a start."""
MAX_POLLS = 4
"""How often the list of rows is looked at for a run that has no name, before that is started once more."""


async def start(connection: SandboxConnection, request: StartRequest, base: Env) -> bool:
    """Start a process under the request's name, or the next free one. Raises as `SandboxConnection.start`.

    Return False if it was found started: by another command, or by a request whose answer was lost.
    """
    refused: set[str] = set()
    for attempt in range(1, CALL_TRIES + 1):
        name = request.name or ""
        before = connection.named(name)
        try:
            await connection.start(request, base)
            return True
        except (Conflict, Unreachable) as error:
            if attempt == CALL_TRIES:
                raise
            rows = await _rows(connection)
            again = after_failure(error, name, request.replaces, rows, refused_before=name in refused, before=before)
            refused.update([name] if isinstance(error, Conflict) else [])
        match again:
            case AlreadyStarted():
                await connection.refresh()
                return False
            case StopRival(rival):
                grace = request.stop_grace_ms / 1000
                async with connection.stopping(rival):
                    await connection.client.stop(rival, signal=request.stop_signal, grace=grace)
            case UseOtherName(other):
                request = replace(request, name=other)
            case Retry():
                await asyncio.sleep(CALL_PAUSE * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def new_key(client: SandboxClient) -> str | None:
    """Return a key that makes a start repeatable; None where the daemon takes no notice of it."""
    return os.urandom(16).hex() if EXTENSION in client.extensions else None


async def start_once(
    connection: SandboxConnection, request: StartRequest, base: Env, lost: Callable[[], None] = lambda: None
) -> ProcessInfo:
    """Start a process that has no name, once, although the answer may be lost; its row.

    If this is cancelled the process is ended again; `lost` is called where it is not known whether there is one. Raises
    as `SandboxClient.start`, and `Ambiguous`.
    """
    from sbxcompose.api.undone import made_or_undone  # few commands start one

    given_up = asyncio.Event()

    async def end(info: ProcessInfo) -> None:
        await connection.client.stop(str(info.pid), signal=9, grace=0)

    starting = _start_once(connection, request, base, given_up)
    return await made_or_undone(starting, end, given_up=given_up.set, lost=lost)


async def _start_once(
    connection: SandboxConnection, request: StartRequest, base: Env, given_up: asyncio.Event
) -> ProcessInfo:
    key = new_key(connection.client)
    if key is not None:
        return await retried(lambda: connection.client.start(replace(request, key=key), base))
    for attempt in range(1, CALL_TRIES + 1):
        known = connection.keys()
        try:
            return await connection.client.start(request, base)
        except Unreachable as error:
            if attempt == CALL_TRIES:
                raise
            # A request that was cut off may still be on its way to the daemon; one that was refused is not.
            looks = 1 if isinstance(error, Unavailable) else MAX_POLLS
            for look in range(looks):
                await asyncio.sleep(CALL_PAUSE * 2**look)
                found = unnamed_after_failure(request, known, await _rows(connection))
                if found is not None:
                    return found
            if given_up.is_set():
                raise
    raise AssertionError("unreachable")


async def _rows(connection: SandboxConnection) -> list[ProcessInfo]:
    rows: list[ProcessInfo] = []

    async def list_rows() -> None:
        rows.extend(await connection.client.processes())

    await retried(list_rows)
    return rows
