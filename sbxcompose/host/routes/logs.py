"""The persisted logs of a sandbox (contract, section 2.8). A log's name is its `processId`: it stays over restarts.

Lines have no level of their own here: what went to standard output counts as `info`, what went to standard error as
`error`. A line's `uuid` is made of its sandbox, log and position, so it is the same whenever it is read.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sbxcompose.api.models import ProcessInfo
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.logs import pages
from sbxcompose.host.logs.events import Chunk, RunEnd
from sbxcompose.host.logs.pages import LinesQuery, LogLine
from sbxcompose.host.logs.segments import STDERR, STDOUT, STREAM_NAMES
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.routes.common import query_number
from sbxcompose.host.sandboxes.archive import ArchivedSandbox

LEVELS: Mapping[int, int] = {STDOUT: 3, STDERR: 5}
"""Of each stream: 1 trace, 2 debug, 3 info, 4 warn, 5 error, 6 fatal."""
MOST = 2**31


async def logs(request: Request) -> Response:
    """GET P/sandboxes/{id or name}/logs."""
    recorded = _recorded(request)
    lines, token = await pages.page(recorded.logs, _query(request))
    pids = {row.log: row.pid for row in recorded.rows}
    told = {"logs": [_signal(recorded, line, pids.get(line.log)) for line in lines], "nextToken": token}
    return JSONResponse(told)


async def processes(request: Request) -> Response:
    """GET P/sandboxes/{id or name}/processes: the logs that there are."""
    recorded = _recorded(request)
    latest = {row.log: row for row in recorded.rows}
    streams = [await _stream(name, log, latest.get(name)) for name, log in recorded.logs.items()]
    return JSONResponse({"processes": streams})


def _recorded(request: Request) -> ArchivedSandbox:
    recorded: ArchivedSandbox = request.state.sandboxes.recorded(request.path_params["sandbox"])
    return recorded


def _query(request: Request) -> LinesQuery:
    given = request.query_params
    head, tail = query_number(request, "head", 1, MOST), query_number(request, "tail", 1, MOST)
    if head is not None and tail is not None:
        raise Problem(400, "`head` and `tail` cannot be used together", "BAD_QUERY")
    names, token = given.getlist("processId"), given.get("nextToken")
    return LinesQuery(
        streams=_streams(given.getlist("level")),
        logs=frozenset(names) if names else None,
        body=given.get("body") or None,
        head=head,
        tail=tail,
        after=pages.decode(token) if token else None,
    )


def _streams(levels: list[str]) -> frozenset[int]:
    wrong = [level for level in levels if level not in ("1", "2", "3", "4", "5", "6")]
    if wrong:
        raise Problem(400, f"level must be a number from 1 (trace) to 6 (fatal), not {wrong[0][:40]!r}", "BAD_QUERY")
    return frozenset(stream for stream, level in LEVELS.items() if not levels or str(level) in levels)


def _signal(recorded: ArchivedSandbox, line: LogLine, pid: int | None) -> dict[str, Any]:
    identity = f"{recorded.info.id}/{line.position}/{line.log}".encode("utf-8", "surrogateescape")
    about = {
        "process.id": line.log,
        "process.pid": "" if pid is None else str(pid),
        "process.run": str(line.run),
        "log.iostream": STREAM_NAMES[line.stream],
    }
    return {
        "timestamp": line.time_ms,
        "uuid": str(UUID(bytes=hashlib.blake2b(identity, digest_size=16).digest(), version=5)),
        "namespace": recorded.info.namespace,
        "application": "",
        "sandboxId": recorded.info.id,
        "resourceAttributes": [list(attribute) for attribute in about.items()],
        "body": line.text,
        "logAttributes": "{}",  # the vendor's command line prints what it finds here below each line
        "allocations": [],
        "functionRuns": [],
        "level": LEVELS[line.stream],
        "retention": None,
    }


async def _stream(name: str, log: LogStore, row: ProcessInfo | None) -> dict[str, Any]:
    first, last, count = await _measure(log)
    managed = row.managed if row is not None else None
    return {
        "processId": name,
        "processPid": str(row.pid) if row is not None else "",
        "processCommand": " ".join([row.command, *row.args]) if row is not None else "",
        "processManagedId": managed.id if managed is not None else "",
        "processManagedName": (managed.name or "") if managed is not None else "",
        "firstSeen": first,
        "lastSeen": last,
        "logCount": count,
    }


async def _measure(log: LogStore) -> tuple[int, int, int]:
    """When its first and its latest bytes came, and how many lines there are, unfinished ones not counted."""
    first = last = count = 0
    ends: dict[tuple[int, int], bytes] = {}
    with log.reader(log.start) as reader:
        while events := reader.read():
            for event in events:
                if isinstance(event, Chunk):
                    data = event.data()
                    count += data.count(b"\n")
                    first, last = first or event.time_ms, event.time_ms
                    ends[event.run, event.stream] = data[-1:]
                elif isinstance(event, RunEnd):
                    mine = [key for key in ends if key[0] == event.run]
                    count += sum(ends.pop(key) != b"\n" for key in mine)
            await asyncio.sleep(0)
    return first, last, count


_SANDBOX = "/v1/namespaces/{namespace}/sandboxes/{sandbox}"

ROUTES = [Route(_SANDBOX + "/logs", logs), Route(_SANDBOX + "/processes", processes)]
