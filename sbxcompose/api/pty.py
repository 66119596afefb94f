"""Terminal sessions on the wire: their messages, and the frames of their sockets (contract, section 5); pure.

A frame is a binary WebSocket message whose first byte says what it is.
"""

from __future__ import annotations

import struct

from msgspec import Struct, field

from sbxcompose.api.models import Message, StartKey

MAX_FRAME = 64 * 1024
"""Bytes of a frame, its first one included."""
POSITION_HEADER = "x-sbxcompose-pty-position"
"""Ours, in the 101 answer: how many bytes the terminal had written before those that will come."""

_DATA, _RESIZE, _READY, _EXIT = 0, 1, 2, 3
_SIZE = struct.Struct(">HH")
_CODE = struct.Struct(">i")

STOPPED = "stopped: "
"""Ours: begins the reason of a close, where the client that ended the session has said why."""
_MAX_REASON = 123
"""Bytes of the reason of a close (RFC 6455, section 5.5)."""

READY = bytes([_READY])
"""To the server: send what was kept, then what comes."""


class PtyRequest(Message, frozen=True, kw_only=True):
    """Body of `POST /pty`."""

    command: str
    args: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    rows: int = 24
    cols: int = 80
    user: str | dict[str, str | int] | None = None
    """Ours: as whom it runs, as in a process's start request."""
    end_unwatched: bool = False
    """Ours: end it when no socket is connected for a few seconds, instead of minutes."""
    key: StartKey | None = None
    """Ours: a request with the key of an earlier one starts nothing, but is answered with that one's session."""
    beside: str | None = None
    """Ours: the log of the process whose surroundings it has, as in a process's start request."""


class PtySize(Message, frozen=True, kw_only=True):
    """Body of `POST /pty/{id}/resize`."""

    rows: int
    cols: int


class PtyInfo(Message, frozen=True, kw_only=True):
    """A session in answers; times are milliseconds since 1970."""

    session_id: str
    pid: int
    command: str
    args: list[str] = field(default_factory=list)
    rows: int
    cols: int
    created_at: int
    is_alive: bool
    ended_at: int | None = None
    exit_code: int | None = None
    oom_killed: bool | None = None
    oom_kills: int | None = None
    """Ours: as in a row of a process."""
    beside: str | None = None
    """Ours: what its request said."""


def close_reason(why: str) -> str:
    """Return the reason of the close of a session that a client has ended, as far as it fits into a frame."""
    return f"{STOPPED}{why}".encode()[:_MAX_REASON].decode(errors="ignore")


class Data(Struct, frozen=True):
    """Bytes of the terminal."""

    data: bytes


class Resize(Struct, frozen=True):
    """The terminal's new size."""

    cols: int
    rows: int


class Ready(Struct, frozen=True):
    """The client can take output."""


class PtyExit(Struct, frozen=True):
    """The command has ended with that exit code, 128 + n for a death by signal n."""

    code: int


PtyEvent = Data | Resize | Ready | PtyExit


def encode_data(data: bytes) -> bytes:
    """Encode a frame of terminal bytes, at most `MAX_FRAME` - 1 of them."""
    return b"\0" + data


def encode_resize(cols: int, rows: int) -> bytes:
    """Encode a frame that tells the terminal's size."""
    return bytes([_RESIZE]) + _SIZE.pack(min(cols, 0xFFFF), min(rows, 0xFFFF))


def encode_exit(code: int) -> bytes:
    """Encode a frame that tells the end."""
    return bytes([_EXIT]) + _CODE.pack(code)


def decode(frame: bytes) -> PtyEvent | None:
    """Decode a frame; None for unknown kinds, which newer versions may send. Raises `ValueError`."""
    kind, payload = frame[:1], frame[1:]
    try:
        match kind:
            case b"\0":
                return Data(payload)
            case b"\1":
                return Resize(*_SIZE.unpack(payload))
            case b"\2":
                return Ready()
            case b"\3":
                return PtyExit(*_CODE.unpack(payload))
    except struct.error:
        raise ValueError(f"a frame of kind {kind[0]} cannot have {len(payload)} bytes") from None
    return None
