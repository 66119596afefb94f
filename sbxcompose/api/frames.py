"""The binary frames of `POST /api/v1/watch`, and how they are read. `frame_encoding` makes them.

A frame is one byte of kind, four bytes of payload length (big-endian), and the payload. Kinds:

    S  JSON ProcessInfo: a row as it is now          D  JSON {"handle"}: that row is gone
    L  JSON {"log", "name", "directory", "position"}: the number under which a log appears below, and
       the position from which on it is sent
    R  JSON {"log", "run", "time"}: a run begins     E  JSON {"log", "run", "time", "exit_code", "signal"}: it ended
       ("oom_killed", "oom_kills" as in a row, if memory ran out)
    O  output: log, stream, run, time, end, length; then the bytes themselves, or with `refs` where they are:
       the segment's start and the offset in its file
    G  JSON {"log", "bytes"}: that number of bytes is gone
    N  JSON {"name", "run", "time", "up", "life", "secrets"}: what the runs of the log of that name were started
       with, from run number `run` on
    P  JSON {"suspended"}: whether the sandbox is suspended, when that changes
    Y  everything known when the request came has been sent          K  keep-alive
    A  from the client, if it said that it would: log, position up to which it has used what it was sent

Times are milliseconds since 1970, positions count the bytes of both streams of a log. A receiver skips kinds
that it does not know.
"""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import Any, Final, NamedTuple

from sbxcompose.api.json_text import decode

EVERY_LOG: Final = "*"
"""In a list of logs: all that are not named in it, also those that appear later, but for logs of one-off commands."""
EVERY_REPLICA: Final = ".*"
"""At the end of an entry of such a list: the logs of all replicas of a process, also of those that appear later."""
MEDIA_TYPE: Final = "application/vnd.sbxcompose.frames"
MAX_FRAME: Final = 64 * 1024 * 1024
"""The longest payload that a decoder accepts; a longer one means that the peer does not send frames."""


def entry_of(log: str, wanted: Container[str]) -> str | None:
    """Return which entry of a list of logs a log is wanted by; None if it is not."""
    if log in wanted:
        return log
    if log.startswith("@"):
        return None
    entries = (log.rpartition(".")[0] + EVERY_REPLICA, EVERY_LOG)
    return next((entry for entry in entries if entry in wanted), None)


STDOUT: Final = 1
STDERR: Final = 2
SUFFIXES: Final = {STDOUT: ".out", STDERR: ".err"}

HEAD: Final = struct.Struct(">cI")
OUTPUT: Final = struct.Struct(">IBIQQI")
REF: Final = struct.Struct(">QQ")
ACK: Final = struct.Struct(">IQ")


class FrameError(ValueError):
    """The bytes are not what this stream may carry."""


class StateFrame(NamedTuple):
    """A row as it is now: `ProcessInfo.read(info)`."""

    info: dict[str, Any]


class Dropped(NamedTuple):
    """The row with that handle is gone from the list."""

    handle: int


class Log(NamedTuple):
    """From now on `log` means the log `name`, which is sent from `position` on.

    `directory` holds its files if references were asked for. Whoever asks again after a break names the
    position that it has reached (`"since": {name: position}`); marks of runs that stand exactly there come
    again.
    """

    log: int
    name: str
    directory: str | None
    position: int


class RunBeganFrame(NamedTuple):
    """A run began at `time` (ms)."""

    log: int
    run: int
    time: int


class RunEndedFrame(NamedTuple):
    """A run ended at `time` (ms); neither `exit_code` nor `signal` if the end was not observed."""

    log: int
    run: int
    time: int
    exit_code: int | None
    signal: int | None
    oom_killed: bool = False
    oom_kills: int = 0


class SegmentPlace(NamedTuple):
    """Where output is: at `offset` of the file that `segment_file` names for the segment that starts at `segment`."""

    segment: int
    offset: int


class OutputFrame(NamedTuple):
    """`length` bytes of output that came at `time` (ms); `end` is the position after them.

    `content` is the bytes or, if references were asked for, their place in the log's directory. A file that no longer
    exists was dropped, with `length` bytes of output.
    """

    log: int
    stream: int
    run: int
    time: int
    end: int
    length: int
    content: bytes | SegmentPlace


class Gone(NamedTuple):
    """Bytes that were dropped before they could be sent."""

    log: int
    bytes: int


class StartNote(NamedTuple):
    """What the runs of the log `name` were started with, from number `run` on, which began at `time` (ms).

    `secrets` are values to be masked. `up` and `life` are when the `up` was given that they belong to, and when
    the project came up (ms), as far as whoever started them has said.
    """

    name: str
    run: int
    time: int
    up: int | None
    life: int | None
    secrets: list[str]


class SuspensionFrame(NamedTuple):
    """The sandbox was suspended, or runs again."""

    suspended: bool


class SyncedFrame(NamedTuple):
    """Everything known at the moment of the request has been sent."""


class KeepAlive(NamedTuple):
    """Nothing has happened, and the connection is alive."""


class Ack(NamedTuple):
    """The client has used the log's output up to `position`."""

    log: int
    position: int


WatchFrame = (
    StateFrame
    | Dropped
    | Log
    | RunBeganFrame
    | RunEndedFrame
    | OutputFrame
    | Gone
    | StartNote
    | SuspensionFrame
    | SyncedFrame
    | KeepAlive
    | Ack
)


def segment_file(segment: int, stream: int) -> str:
    """Return the name of the file that holds a stream's bytes of the segment that starts at position `segment`."""
    return f"{segment:016x}{SUFFIXES[stream]}"


class FrameDecoder:
    """Turns the bytes of a stream, cut anywhere, into frames. `refs`: whether references were asked for."""

    def __init__(self, *, refs: bool) -> None:
        self._refs = refs
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0

    def feed(self, data: bytes) -> list[WatchFrame]:
        """Return the frames that `data` completes. Raises `FrameError` for what cannot be frames."""
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            # Joined only once a frame is whole: to join at each piece would copy a long frame again and again.
            if self._have < self._need:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
        frames: list[WatchFrame] = []
        self._keep(data, self._decode(data, frames))
        return frames

    def close(self) -> None:
        """Check that the stream has not ended in the middle of a frame. Raises `FrameError`."""
        if self._parts:
            raise FrameError("the stream ended in the middle of a frame")

    def _decode(self, data: bytes, frames: list[WatchFrame]) -> int:
        """Decode whole frames; returns where the first one begins that is not whole."""
        at, size = 0, len(data)
        while size - at >= HEAD.size:
            kind, length = HEAD.unpack_from(data, at)
            if length > MAX_FRAME:
                raise FrameError(f"a frame of {length} bytes is longer than any that is sent")
            begin = at + HEAD.size
            if begin + length > size:
                break
            at = begin + length
            frame = self._frame(kind, data, begin, at)
            if frame is not None:
                frames.append(frame)
        return at

    def _keep(self, data: bytes, at: int) -> None:
        """Remember what is left, and how much is needed to continue."""
        if at == len(data):
            return
        self._parts.append(data[at:])
        self._have = len(data) - at
        self._need = HEAD.size
        if self._have >= HEAD.size:
            self._need += HEAD.unpack_from(data, at)[1]

    def _frame(self, kind: bytes, data: bytes, begin: int, end: int) -> WatchFrame | None:
        try:
            if kind == b"O":
                return self._output(data, begin, end)
            if kind == b"A":
                return Ack(*ACK.unpack_from(data, begin))
            return _other(kind, data[begin:end])
        except (struct.error, ValueError, TypeError, KeyError) as error:
            raise FrameError(f"a frame of kind {kind!r} cannot be read: {error}") from error

    def _output(self, data: bytes, begin: int, end: int) -> OutputFrame:
        log, stream, run, time, last, length = OUTPUT.unpack_from(data, begin)
        begin += OUTPUT.size
        if stream not in SUFFIXES or end - begin != (REF.size if self._refs else length):
            raise ValueError("its parts do not fit together")
        content = SegmentPlace(*REF.unpack_from(data, begin)) if self._refs else data[begin:end]
        return OutputFrame(log, stream, run, time, last, length, content)


def _other(kind: bytes, payload: bytes) -> WatchFrame | None:
    """Return the kinds whose payload is JSON, or nothing."""
    if kind == b"Y":
        return SyncedFrame()
    if kind == b"K":
        return KeepAlive()
    if kind not in b"SDLREGNP":
        return None
    value = decode(payload)
    match kind:
        case b"S":
            return StateFrame(dict(value))
        case b"D":
            return Dropped(value["handle"])
        case b"L":
            return Log(value["log"], value["name"], value["directory"], value["position"])
        case b"R":
            return RunBeganFrame(value["log"], value["run"], value["time"])
        case b"E":
            how = (value["exit_code"], value["signal"], value.get("oom_killed", False), value.get("oom_kills", 0))
            return RunEndedFrame(value["log"], value["run"], value["time"], *how)
        case b"N":
            return StartNote(*(value[name] for name in StartNote._fields))
        case b"P":
            return SuspensionFrame(bool(value["suspended"]))
        case _:
            return Gone(value["log"], value["bytes"])
