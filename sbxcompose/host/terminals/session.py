"""One terminal session: its master's descriptor, what it has written, and who looks on (contract, section 5).

The keeper holds the master too, so that a killed server costs no session: its successor takes it over and continues
with what was kept.
"""

from __future__ import annotations

import asyncio
import fcntl
import hmac
import os
import struct
import termios
from collections.abc import Callable

from msgspec import Struct, field

from sbxcompose.api.pty import PtyInfo
from sbxcompose.host.base.absence import IdleTimer
from sbxcompose.host.base.pipe_writer import Input
from sbxcompose.host.base.wake import ChangeSignal
from sbxcompose.host.terminals.rules import LAG_PATIENCE, MAX_LAG, MAX_WAITING, clamp
from sbxcompose.host.terminals.scrollback import Scrollback

_READ = 64 * 1024
_POLICY = 1008


class SessionRecord(Struct):
    """What is remembered of a session. `pid` is 0 until it runs; times are milliseconds since 1970."""

    session_id: str
    token: str
    command: str
    rows: int
    cols: int
    created_at: int
    args: list[str] = field(default_factory=list)
    pid: int = 0
    ended_at: int | None = None
    exit_code: int | None = None
    oom_killed: bool | None = None
    oom_kills: int | None = None
    end_unwatched: bool = False
    ticks: int = 0
    key: str | None = None
    """That of the request which has started it."""
    keeper: str | None = None
    """The identity of the keeper that was to start it."""
    lost: bool = False
    """It may have begun, and how it ended is unknown."""
    beside: str | None = None
    """The log of the process whose surroundings it has."""


class Viewer:
    """One socket that looks on: the position it has come to, and whether output may be sent."""

    def __init__(self, position: int, since: int) -> None:
        self.position = position
        self.ready = False
        self.since = since
        """Where the output ended when the socket came."""
        self.dismissed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        """Set, to a close code and a reason, when the socket has to go."""

    def dismiss(self, code: int, reason: str) -> None:
        """Have its socket closed."""
        if not self.dismissed.done():
            self.dismissed.set_result((code, reason))


class Terminal:
    """A session. `rested` is called when a viewer comes or goes, and at the end: timers depend on that."""

    def __init__(self, record: SessionRecord, tape: Scrollback, rested: Callable[[Terminal], None]) -> None:
        self.record = record
        self.tape = tape
        self.news = ChangeSignal()
        self.viewers: set[Viewer] = set()
        self.was_viewed = False
        """Whether a socket has come since it was started, or taken over."""
        self.terminating = False
        self.timer: IdleTimer | None = None
        self._rested = rested
        self._loop = asyncio.get_running_loop()
        self._master: int | None = None
        self._input: Input | None = None
        self._held = False
        self._patience: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        """Whether its command runs."""
        return self.record.ended_at is None

    async def decided(self) -> None:
        """Wait until its command has begun, or it is known that it will not."""
        await self.news.wait_until(lambda: bool(self.record.pid) or not self.alive)

    def admits(self, token: str | None) -> bool:
        """Return whether that is its token; takes the same time however much of it is right."""
        return token is not None and hmac.compare_digest(token.encode(), self.record.token.encode())

    def info(self) -> PtyInfo:
        """Return what clients are told of it."""
        told = {name: getattr(self.record, name) for name in PtyInfo.__struct_fields__ if hasattr(self.record, name)}
        return PtyInfo(**told, is_alive=self.alive)

    # -- the terminal ----------------------------------------------------------------------------------------

    def connect(self, master: int) -> None:
        """Take over the master's descriptor, of a command that has just been started or of one that ran on."""
        self._master = master
        # A copy, since `Input` owns and closes its descriptor, and the master has to stay open for the output.
        self._input = Input(os.dup(master))
        self._loop.add_reader(master, self._readable)

    def adopt_size(self) -> None:
        """Ask the terminal itself how large it is."""
        if self._master is not None:
            size = fcntl.ioctl(self._master, termios.TIOCGWINSZ, bytes(8))
            self.record.rows, self.record.cols, _, _ = struct.unpack("HHHH", size)

    def resize(self, rows: int, cols: int) -> None:
        """Give it another size; the kernel tells the program in the foreground (SIGWINCH)."""
        self.record.rows, self.record.cols = clamp(rows, cols)
        if self._master is not None:
            size = struct.pack("HHHH", self.record.rows, self.record.cols, 0, 0)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    async def write(self, data: bytes) -> None:
        """Type `data`, at the pace at which it is read. Raises `Problem` when the command has ended."""
        if self._input is not None:
            await self._input.put(data)

    def _readable(self) -> None:
        if self._take() and self._master is not None:
            self._balance()

    def _take(self) -> bool:
        """Take one chunk of the output; False when there is none now, or never will be."""
        assert self._master is not None
        try:
            data = os.read(self._master, _READ)
        except BlockingIOError:
            return False
        except OSError:  # EIO: the terminal is no longer open in any process
            data = b""
        if not data:
            self._loop.remove_reader(self._master)
            return False
        self.tape.append(data)
        for viewer in self.viewers:
            if not viewer.ready and self.tape.end - viewer.since > MAX_WAITING:
                viewer.dismiss(_POLICY, f"{MAX_WAITING} bytes have waited for READY")
        self.news.notify()
        return True

    def finish(self, exit_code: int, ended_at: int) -> None:
        """Take what is left of the output of a command that has ended, and let go."""
        while self._master is not None and self._take():
            pass
        self.record.exit_code, self.record.ended_at = exit_code, ended_at
        self.close()
        self.news.notify()
        self._rested(self)

    def close(self) -> None:
        """Let go of the terminal."""
        if self._patience is not None:
            self._patience.cancel()
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._master is not None:
            self._loop.remove_reader(self._master)
            os.close(self._master)
            self._master = None
        self.tape.close()

    # -- its viewers -----------------------------------------------------------------------------------------

    def attach(self, position: int) -> Viewer:
        """Attach a viewer at that position, or at the first one that is still kept."""
        viewer = Viewer(min(max(position, self.tape.start), self.tape.end), self.tape.end)
        self.viewers.add(viewer)
        self.was_viewed = True
        self._rested(self)
        return viewer

    def detach(self, viewer: Viewer) -> None:
        """Undo `attach`."""
        self.viewers.discard(viewer)
        self._balance()
        self._rested(self)

    def make_ready(self, viewer: Viewer) -> None:
        """Output may be sent to it."""
        viewer.ready = True
        viewer.position = max(viewer.position, self.tape.start)
        self.news.notify()

    def advance(self, viewer: Viewer, size: int) -> None:
        """Note that a viewer has received `size` more bytes."""
        viewer.position += size
        self._balance()

    def dismiss(self, code: int, reason: str) -> None:
        """Close all sockets."""
        for viewer in self.viewers:
            viewer.dismiss(code, reason)

    def _behind(self) -> list[Viewer]:
        """Who has to be waited for."""
        return [
            viewer
            for viewer in self.viewers
            if viewer.ready and not viewer.dismissed.done() and self.tape.end - viewer.position > MAX_LAG
        ]

    def _balance(self) -> None:
        """Read on, or let the command wait for the slowest viewer, as it would at a real terminal."""
        behind = self._behind()
        if self._master is None or self._held is bool(behind):
            return
        self._held = bool(behind)
        if self._held:
            self._loop.remove_reader(self._master)
            self._wait_for(behind)
        else:
            self._loop.add_reader(self._master, self._readable)
            if self._patience is not None:
                self._patience.cancel()

    def _wait_for(self, behind: list[Viewer]) -> None:
        places = {viewer: viewer.position for viewer in behind}
        self._patience = self._loop.call_later(LAG_PATIENCE, self._lose_patience, places)

    def _lose_patience(self, places: dict[Viewer, int]) -> None:
        for viewer in self._behind():
            if places.get(viewer) == viewer.position:
                viewer.dismiss(_POLICY, f"it has taken no output for {LAG_PATIENCE:g} s")
        self._balance()
        if self._held:
            self._wait_for(self._behind())
