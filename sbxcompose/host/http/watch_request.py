"""The body of POST /watch: what is asked for, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http.stream import Receive
from sbxcompose.host.logs.segments import STREAM_NAMES

MAX_BODY = 1024 * 1024
"""Bytes of a request, what follows it not counted."""

_NUMBERS = {name: number for number, name in STREAM_NAMES.items()}
_PLACES = ("run", "tail", "since_ms", "offset")
_TOGETHER = {"tail", "since_ms"}
"""The two places that may be given together: the later one counts."""
_LIMIT = "since_run"
"""May stand beside a place: nothing before that run is wanted."""


class WatchRequest(Struct, frozen=True):
    """What is asked for. `logs`: "live", "all", a place per log, or None; `since`: positions of an earlier
    watch.
    """

    states: bool = False
    follow: bool = False
    refs: bool = False
    acks: bool = False
    notes: bool = False
    logs: str | Mapping[str, Mapping[str, int]] | None = None
    streams: tuple[int, ...] = tuple(_NUMBERS.values())
    since: Mapping[str, int] = field(default_factory=dict)


async def read_request(receive: Receive) -> tuple[WatchRequest, bytes]:
    """Return the request, and what has come after it: with "acks" it is a line, and the body continues.

    Raises `Problem` (400, 413) for a body that makes no sense.
    """
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        line, newline, rest = data.partition(b"\n")
        if newline and _says_acks(line):
            return parse(line), rest
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return parse(data), b""
        if len(data) > MAX_BODY:
            raise Problem(413, "the request is too long", "TOO_LARGE")


def _says_acks(line: bytes) -> bool:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("acks") is True


def parse(body: bytes) -> WatchRequest:
    """Read a request. Raises `Problem` (400) that says what is wrong with it."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _bad("the body must be a JSON object")
    switches = {name: value.get(name, False) for name in ("states", "follow", "refs", "acks", "notes")}
    for name, switch in switches.items():
        if not isinstance(switch, bool):
            raise _bad(f"`{name}` must be true or false")
    return WatchRequest(
        **switches,
        logs=_logs(value.get("logs")),
        streams=_streams(value.get("streams", list(_NUMBERS))),
        since=_positions(value.get("since") or {}),
    )


def _logs(value: Any) -> str | dict[str, dict[str, int]] | None:
    if value is None or value in ("live", "all"):
        return value  # type: ignore[no-any-return]
    if not isinstance(value, list):
        raise _bad('`logs` must be null, "live", "all" or a list')
    logs: dict[str, dict[str, int]] = {}
    for item in value:
        if not isinstance(item, dict) or not isinstance(item.get("log"), str):
            raise _bad("an entry of `logs` must be an object that names its `log`")
        place = {name: item[name] for name in _PLACES if item.get(name) is not None}
        if len(place) > 1 and place.keys() != _TOGETHER:
            raise _bad(
                f"log `{item['log']}`: at most one of {', '.join(_PLACES)}, or {' and '.join(sorted(_TOGETHER))}"
            )
        if item.get(_LIMIT) is not None:
            place[_LIMIT] = item[_LIMIT]
        if not all(_is_count(number) for number in place.values()):
            raise _bad(f"log `{item['log']}`: {' and '.join(place)} must be a number, 0 or greater")
        logs[item["log"]] = place
    return logs


def _streams(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(isinstance(number, str) and number in _NUMBERS for number in value):
        raise _bad(f"`streams` must be a list of {' and '.join(_NUMBERS)}")
    return tuple(_NUMBERS[number] for number in dict.fromkeys(value))


def _positions(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or not all(_is_count(count) for count in value.values()):
        raise _bad("`since` must be an object of positions by the name of the log")
    return value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _bad(error: str) -> Problem:
    return Problem(400, error, "BAD_REQUEST")
