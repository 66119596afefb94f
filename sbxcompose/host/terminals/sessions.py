"""The terminal sessions of one sandbox, kept over restarts of the server (contract, section 5)."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec.structs import asdict

from sbxcompose.api.json_text import encode
from sbxcompose.api.models import StartRequest
from sbxcompose.api.pty import PtyRequest
from sbxcompose.clock import wall_ms
from sbxcompose.host.base import damage, write_back
from sbxcompose.host.base.absence import IdleTimer
from sbxcompose.host.base.json_files import write_json
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.base.wake import ChangeSignal
from sbxcompose.host.isolation.plan import path_hint
from sbxcompose.host.keeper.client import (
    Adopted,
    Claim,
    Exited,
    KeeperClient,
    KeeperLost,
    Spawn,
    SpawnFailed,
    SpawnLost,
)
from sbxcompose.host.supervise import spawn_request
from sbxcompose.host.terminals.rules import (
    ABANDONED,
    GRACE,
    MAX_SESSIONS,
    REMEMBERED,
    UNKNOWN_EXIT,
    UNVISITED,
    UNWATCHED,
    clamp,
    exit_code,
)
from sbxcompose.host.terminals.scrollback import Scrollback
from sbxcompose.host.terminals.session import SessionRecord, Terminal
from sbxcompose.tasks import finish_all

TERM = "xterm-256color"
"""What a terminal calls itself unless the request says otherwise."""
_GOING_AWAY, _NORMAL = 1001, 1000


class TerminalSessions:
    """All sessions of one sandbox. `describe` says how its processes are spawned: where, as whom, and so on.
    `changed` is called when a command has begun or ended.
    """

    def __init__(
        self,
        sandbox: str,
        directory: Path,
        keeper: KeeperClient,
        describe: Callable[[StartRequest], Spawn],
        changed: Callable[[], None],
    ) -> None:
        self._sandbox = sandbox
        self._directory = directory / "terminals"
        self._keeper = keeper
        self._describe = describe
        self._changed = changed
        self._sessions: dict[str, Terminal] = {}
        self._paused = False
        self._closed = False
        self._news = ChangeSignal()

    def __iter__(self) -> Iterator[Terminal]:
        return iter([session for session in self._sessions.values() if session.record.pid and not session.terminating])

    @property
    def live(self) -> list[Terminal]:
        """The sessions whose command runs, or is just being started."""
        return [session for session in self._sessions.values() if session.alive]

    @property
    def busy(self) -> bool:
        """Whether any command runs."""
        return any(session.alive for session in self._sessions.values())

    @property
    def units(self) -> list[str]:
        """The keeper's names for the commands that run."""
        return [self._unit(session) for session in self.live if session.record.pid]

    def find(self, session: str) -> Terminal:
        """Return the session of that id. Raises `Problem`."""
        found = self._sessions.get(session)
        if found is None or not found.record.pid or (found.terminating and found.alive):
            raise Problem(404, f"no terminal session named {session[:80]}", "SESSION_NOT_FOUND")
        return found

    # -- beginning -------------------------------------------------------------------------------------------

    async def open(self, request: PtyRequest) -> Terminal:
        """Start a command on a terminal of its own; in a frozen sandbox, once that is resumed.

        A request that is repeated, with the same key, is answered with the same session. Raises `Problem`.
        """
        # No `await` from the last round of this loop to the end of `_record`: of two requests at once only one may take
        # the last place, or find that no other has its key.
        while True:
            await self._news.wait_until(lambda: not self._paused)
            if self._closed:
                raise Problem(409, f"sandbox {self._sandbox} is terminated", "SANDBOX_TERMINATED")
            earlier = self._earlier(request)
            if earlier is None:
                break
            await earlier.decided()
            if earlier.record.pid or earlier.record.lost:
                return earlier
        spawn = self._spawn(request)
        terminal = self._record(request)
        spawn.unit = self._unit(terminal)
        try:
            spawned = await self._keeper.spawn(spawn)
        except SpawnLost:
            self._lose(terminal)
            return terminal
        except (SpawnFailed, KeeperLost) as error:
            terminal.finish(UNKNOWN_EXIT, wall_ms())
            self._forget(terminal)
            self._changed()
            hint = path_hint(str(error), isolated=spawn.inside is not None)
            raise Problem(500, str(error), "SPAWN_FAILED", hint) from None
        terminal.record.pid, terminal.record.ticks = spawned.pid, spawned.ticks
        assert spawned.stdout is not None, "a terminal's master"
        terminal.connect(spawned.stdout)
        terminal.news.notify()
        self._save(terminal)
        self._rested(terminal)
        self._changed()
        return terminal

    def _earlier(self, request: PtyRequest) -> Terminal | None:
        """Return the session of an earlier request with the same key, if that was not in vain."""
        for terminal in self._sessions.values() if request.key is not None else ():
            record = terminal.record
            if record.key == request.key and (terminal.alive or record.pid or record.lost):
                return terminal
        return None

    def _spawn(self, request: PtyRequest) -> Spawn:
        start = StartRequest(
            command=request.command,
            args=request.args,
            env={"TERM": TERM, **request.env},
            working_dir=request.working_dir,
            user=request.user,
        )
        spawn_request.check(start)
        spawn = self._describe(start)
        spawn.pty = clamp(request.rows, request.cols)
        return spawn

    def _record(self, request: PtyRequest) -> Terminal:
        """Remember a session that is about to be started: whatever the keeper holds has a record."""
        if len(self.live) >= MAX_SESSIONS:
            raise Problem(429, f"{MAX_SESSIONS} terminal sessions are open already", "TOO_MANY_SESSIONS")
        number, token = os.urandom(12).hex(), os.urandom(32).hex()
        rows, cols = clamp(request.rows, request.cols)
        record = SessionRecord(number, token, request.command, rows, cols, wall_ms(), request.args)
        record.end_unwatched, record.key, record.beside = request.end_unwatched, request.key, request.beside
        record.keeper = self._keeper.identity
        try:
            self._place(number).mkdir(mode=0o700, parents=True)
            write_json(self._place(number) / "session.json", asdict(record))
        except OSError as error:
            shutil.rmtree(self._place(number), ignore_errors=True)
            raise from_os(error, "the terminal session cannot be recorded") from None
        return self._add(record)

    def _add(self, record: SessionRecord) -> Terminal:
        terminal = Terminal(record, Scrollback(self._place(record.session_id)), self._rested)
        self._sessions[record.session_id] = terminal
        return terminal

    # -- ending ----------------------------------------------------------------------------------------------

    async def terminate(self, terminal: Terminal, grace: float = GRACE, why: str = "session terminated") -> None:
        """End a session by SIGHUP, then SIGKILL; it can be asked for, not listed. Forget one that has ended."""
        ended = not terminal.alive
        terminal.terminating = True
        terminal.dismiss(_GOING_AWAY, why)
        await self._hang_up(terminal, grace)
        if ended:
            self._forget(terminal)

    async def _hang_up(self, terminal: Terminal, grace: float) -> None:
        await terminal.decided()
        if terminal.alive:
            await self._keeper.stop(self._unit(terminal), signal.SIGHUP, grace)
            await terminal.news.wait_until(lambda: not terminal.alive)

    async def end(self, grace_ms: int | None = None) -> None:
        """End them all; `grace_ms` limits the time that each may take."""
        grace = GRACE if grace_ms is None else min(GRACE, grace_ms / 1000)
        await finish_all(self.terminate(session, grace) for session in self.live)

    def closed(self) -> None:
        """Release everything: the sandbox is terminated."""
        self._closed = True
        self.unpause()
        for session in list(self._sessions.values()):
            self._forget(session)
        with suppress(OSError):
            self._directory.rmdir()

    def _rested(self, terminal: Terminal) -> None:
        """Set the timer that belongs to what the session is now; it was unwatched, or has ended, only just now."""
        if terminal.timer is not None:
            terminal.timer.cancel()
            terminal.timer = None
        if not terminal.alive:
            terminal.timer = IdleTimer(_left(terminal.record.ended_at), lambda: self._forget(terminal))
        elif not terminal.viewers and not self._paused:
            patience = UNWATCHED
            if terminal.record.end_unwatched:
                patience = ABANDONED if terminal.was_viewed else UNVISITED
            terminal.timer = IdleTimer(patience, lambda: self._unwatched(terminal))

    def _unwatched(self, terminal: Terminal) -> None:
        self._keeper.tasks.start(self._hang_up(terminal, GRACE))

    def _forget(self, terminal: Terminal) -> None:
        terminal.close()
        terminal.dismiss(_NORMAL, f"exit:{terminal.record.exit_code}")
        if terminal.timer is not None:
            terminal.timer.cancel()
        self._sessions.pop(terminal.record.session_id, None)
        shutil.rmtree(self._place(terminal.record.session_id), ignore_errors=True)

    def exited(self, exited: Exited) -> bool:
        """Take note that a command has ended; False if it is none of these."""
        terminal = self._of(exited.unit)
        if terminal is None:
            return False
        terminal.record.oom_killed, terminal.record.oom_kills = exited.oom_killed or None, exited.oom_kills or None
        terminal.finish(exit_code(exited.status), round(exited.at * 1000))
        self._save(terminal)
        self._keeper.tasks.start(self._keeper.release(exited.unit))
        self._changed()
        return True

    # -- being suspended ------------------------------------------------------------------------------------

    @property
    def is_changing(self) -> bool:
        """Whether a command is just being started or ended."""
        return any(
            session.alive and (session.terminating or not session.record.pid) for session in self._sessions.values()
        )

    def pause(self) -> None:
        """Begin nothing, and let no time pass for unwatched sessions: the sandbox is frozen."""
        self._paused = True
        for session in self._sessions.values():
            self._rested(session)

    def unpause(self) -> None:
        """Undo `pause`."""
        self._paused = False
        for session in self._sessions.values():
            self._rested(session)
        self._news.notify()

    # -- after the last server's death -----------------------------------------------------------------------

    def load(self) -> None:
        """Read the records. `adopt` and `recover` make them live again."""
        for name in damage.names_in(self._directory):
            session = self._directory / name
            record = damage.load(session / "session.json", damage.record_of(SessionRecord), whole=str(session))
            if record is not None:
                self._add(record)

    def adopt(self, adopted: Adopted) -> bool:
        """Take over a session; False if it is none of these."""
        terminal = self._of(adopted.unit)
        if terminal is None or adopted.stdout is None:
            return False
        terminal.record.pid, terminal.record.ticks = adopted.pid, adopted.ticks
        terminal.connect(adopted.stdout)
        terminal.adopt_size()
        self._rested(terminal)
        if adopted.exited is not None:
            self.exited(adopted.exited)
        return True

    def claims(self, known: set[str]) -> list[Claim]:
        """Return the sessions that are recorded as being there, or as being started, and are not among the `known`
        units.
        """
        alive = [terminal for terminal in self._sessions.values() if terminal.alive]
        return [
            Claim(self._unit(terminal), terminal.record.pid, terminal.record.ticks, terminal.record.created_at / 1000)
            for terminal in alive
            if self._unit(terminal) not in known
        ]

    def recover(self, known: set[str]) -> None:
        """Deal with sessions that are not among the `known` units."""
        lost = [session for session in self._sessions.values() if session.alive and self._unit(session) not in known]
        for terminal in lost:
            if terminal.record.pid or terminal.record.keeper != self._keeper.identity:
                self._lose(terminal)
            else:  # its keeper has not begun it
                self._forget(terminal)
        for terminal in list(self._sessions.values()):
            self._rested(terminal)

    def _lose(self, terminal: Terminal) -> None:
        """Take note that a session that has begun, or may have, has ended unobserved."""
        terminal.record.lost = True
        terminal.finish(UNKNOWN_EXIT, wall_ms())
        self._save(terminal)
        self._changed()

    # -- where things are ------------------------------------------------------------------------------------

    def _save(self, terminal: Terminal) -> None:
        """Record it as soon as possible: a full disk does not end a session."""
        path = self._place(terminal.record.session_id) / "session.json"
        what = f"terminal session {terminal.record.session_id}"
        write_back.record(os.fspath(path), encode(asdict(terminal.record)), what)

    def _place(self, session: str) -> Path:
        return self._directory / session

    def _unit(self, terminal: Terminal) -> str:
        return f"{self._sandbox}.pty.{terminal.record.session_id}"

    def _of(self, unit: str) -> Terminal | None:
        return self._sessions.get(unit.removeprefix(f"{self._sandbox}.pty."))


def _left(ended_at: int | None) -> float:
    """Seconds for which an ended session is still remembered."""
    return min(max(0.0, REMEMBERED - (wall_ms() - (ended_at or 0)) / 1000), REMEMBERED)
