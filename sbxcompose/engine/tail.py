"""The last lines of a run, to be shown beside its failure."""

from __future__ import annotations

from sbxcompose.api import follow
from sbxcompose.engine.requests import log_name
from sbxcompose.engine.session import Session
from sbxcompose.engine.state_stream import open_stream
from sbxcompose.plan.observed import Instance

LINES = 10
MOST = 64 * 1024
"""Bytes kept while looking for the last lines: a failure message should not hold more."""


async def last_lines(session: Session, instance: Instance, run: int, count: int = LINES) -> list[bytes]:
    """Return the last `count` lines that run `run` of an instance has written; empty if they are gone."""
    connection = session.connections.get(instance.sandbox)
    if connection is None:
        return []
    row = connection.row(instance)
    # A provider that has only the contract does not tell runs apart well: what was written last is what failed.
    exact = "watch" in connection.client.extensions
    latest = not exact or row is None or row.run == run
    where = {"tail": count} if latest else {"run": run}
    watch = open_stream(
        connection.client,
        follow.WatchSelection(states=False, logs=[{"log": log_name(instance), **where}], follow=False),
    )
    text = b""
    async for event in watch.events():
        match event:
            case follow.OutputChunk(_, _, of, _, data) if of == run or not exact:
                text = (text + data)[-MOST:]
            case follow.Began(_, began, _) if began > run:
                break
    return text.splitlines()[-count:]
