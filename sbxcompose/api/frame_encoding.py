"""The bytes of the frames that `frames` describes: what a host sends, and the acknowledgement of a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sbxcompose.api.frames import ACK, HEAD, OUTPUT, REF, OutputFrame, RunEndedFrame, StartNote
from sbxcompose.api.json_text import encode
from sbxcompose.api.models import ProcessInfo

SYNCED: Final = HEAD.pack(b"Y", 0)
KEEP_ALIVE: Final = HEAD.pack(b"K", 0)


def _json(kind: bytes, value: Mapping[str, Any] | ProcessInfo) -> bytes:
    payload = encode(value)
    return HEAD.pack(kind, len(payload)) + payload


def encode_state(info: Mapping[str, Any] | ProcessInfo) -> bytes:
    """Return the frame for a row as it is now."""
    return _json(b"S", info)


def encode_dropped(handle: int) -> bytes:
    """Return the frame for a row that is gone."""
    return _json(b"D", {"handle": handle})


def encode_log(log: int, name: str, directory: str | None, position: int) -> bytes:
    """Return the frame that gives a log its number, and says where it is sent from."""
    return _json(b"L", {"log": log, "name": name, "directory": directory, "position": position})


def encode_run_began(log: int, run: int, time: int) -> bytes:
    """Return the frame for the beginning of a run."""
    return _json(b"R", {"log": log, "run": run, "time": time})


def encode_run_ended(ended: RunEndedFrame) -> bytes:
    """Return the frame for the end of a run."""
    told = ended._asdict()
    memory = {name: value for name in ("oom_killed", "oom_kills") if (value := told.pop(name))}
    return _json(b"E", {**told, **memory})


def encode_gone(log: int, count: int) -> bytes:
    """Return the frame for this number of dropped bytes."""
    return _json(b"G", {"log": log, "bytes": count})


def encode_start_note(note: StartNote) -> bytes:
    """Return the frame for what runs were started with."""
    return _json(b"N", note._asdict())


def encode_suspension(suspended: bool) -> bytes:
    """Return the frame for a sandbox that is suspended, or runs again."""
    return _json(b"P", {"suspended": suspended})


def encode_output(frame: OutputFrame) -> bytes:
    """Return the frame for output, with its bytes or their place."""
    content = frame.content if isinstance(frame.content, bytes) else REF.pack(*frame.content)
    return HEAD.pack(b"O", OUTPUT.size + len(content)) + OUTPUT.pack(*frame[:6]) + content


def output_head(log: int, stream: int, run: int, time: int, end: int, length: int) -> bytes:
    """Return all of an output frame but its bytes, which must follow: saves a copy of them."""
    head = HEAD.pack(b"O", OUTPUT.size + length)
    return head + OUTPUT.pack(log, stream, run, time, end, length)


def encode_ack(log: int, position: int) -> bytes:
    """Return the frame by which the client tells that it has used the log up to `position`."""
    return HEAD.pack(b"A", ACK.size) + ACK.pack(log, position)
