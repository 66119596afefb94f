"""The server as the keeper's child: started, and started again when it dies, for as long as anything needs it."""

from __future__ import annotations

import os

from sbxcompose.clock import monotonic
from sbxcompose.host.keeper.execution import ExecContext, Program
from sbxcompose.host.keeper.explain import errno_of, os_error_text
from sbxcompose.host.keeper.fork_exec import fork_exec, read_failure
from sbxcompose.host.keeper.protocol import ENV_CONTROL, Channel
from sbxcompose.light import signal, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAUSES = (0.0, 0.1, 0.3, 1.0, 3.0, 5.0)
"""Seconds before each new start of a server that died before it had said anything; the last one is for all others."""

TRIES = 5
"""New starts after which a host in which nothing runs, nor is going to, ends."""

SHORT = 2.0
"""Seconds that a server must have run for its death not to count as one of many."""


def pause_before(deaths: int) -> float:
    """Seconds before the new start that follows this number of early deaths in a row, 1 at least."""
    return PAUSES[min(deaths, len(PAUSES)) - 1]


_KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTHONHOME",
)
_KEPT_PREFIXES = ("LC_", "XDG_", "SBXCOMPOSE_")
_OF_A_PROCESS = ("UNIT", "PROJECT", "PROJECT_NAME", "SANDBOX", "PROCESS", "REPLICA", "WORKSPACE", "PROVIDER")


def server_environment(environ: dict[str, str]) -> dict[str, str]:
    """Return what of the starting shell's environment the host keeps: nothing that only that shell's project needs."""
    dropped = {f"SBXCOMPOSE_{name}" for name in _OF_A_PROCESS}
    return {
        name: value
        for name, value in environ.items()
        if (name in _KEPT or name.startswith(_KEPT_PREFIXES)) and name not in dropped
    }


class ServerProcess:
    """The server of the moment. `connect` is given the keeper's end of each new one's channel.

    `needed` says whether anything runs or is to be started again: then it is never given up.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: dict[str, str],
        keep: Sequence[int],
        connect: Callable[[Channel], None],
        needed: Callable[[], bool],
        log: Callable[[str], None],
    ) -> None:
        self._argv = list(argv)
        self._environment = environment
        self._keep = tuple(keep)
        self._connect = connect
        self._needed = needed
        self._log = log
        self._null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._failures = 0
        self._short = 0
        self._started = 0.0
        self.pid: int | None = None
        self.pidfd: int | None = None
        """Of a server that is not our child."""
        self.start_at: float | None = None
        """When it is to be started again, in monotonic seconds."""

    @property
    def given_up(self) -> bool:
        """It died at once too often while nothing needed it, and will not be started again."""
        return self.pid is None and self.start_at is None

    def start(self) -> None:
        """Start it now. That it could not be started counts as a death."""
        self.start_at = None
        self._started = monotonic()
        try:
            channel = self._start()
        except OSError as error:
            # Also for want of processes, memory or descriptors: the keeper outlives that, with all that it holds.
            words = os_error_text(error.errno) if error.errno else error.strerror or str(error)
            self._log(f"the server cannot be started: {self._argv[0]}: {words}")
            self.plan_next(spoke=False)
        else:
            self._connect(channel)

    def _start(self) -> Channel:
        """Start it; our end of its channel. Raises `OSError`."""
        ours, theirs = socket.socketpair()
        try:
            pid, failure = self._run({**self._environment, ENV_CONTROL: str(theirs.fileno())}, theirs.fileno())
            if failure:
                # Nothing else reaps it: its end is not one of a server.
                os.waitpid(pid, 0)
                raise OSError(errno_of(failure), failure.decode("ascii", "replace"))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid = pid
        return Channel(ours)

    def _run(self, environment: dict[str, str], control: int) -> tuple[int, bytes]:
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            pid = fork_exec(
                Program(self._argv, environment),
                ExecContext("/", umask=0o077),  # state, logs and sockets are this user's alone
                [self._null, 1, 2],
                (read, write),
                keep=(*self._keep, control),
            )
        finally:
            os.close(write)
            # Empty once the program runs: exec closes the other end.
            failure = read_failure(read)
        return pid, failure

    def died(self, status: int | None, *, spoke: bool) -> None:
        """Take note of its end, and plan its next start: at once, unless it died before it said anything."""
        how = "exit status unknown" if status is None else describe(status)
        self._log(f"the server has exited ({how})")
        self.pid = None
        self.plan_next(spoke=spoke)

    def plan_next(self, *, spoke: bool) -> None:
        """Set the time of the next start; one that speaks and dies, again and again, is slowed down, too."""
        now = monotonic()
        self._short = self._short + 1 if now - self._started < SHORT else 0
        self._failures = 0 if spoke else self._failures + 1
        if self._failures > TRIES and not self._needed():
            self.start_at = None
            self._log("the server exits as soon as it is started, and nothing is running; the host exits")
            return
        # One that speaks may also die of what it does then: it has more tries before it has to wait.
        pause = pause_before(max(1, self._failures, self._short - 2 * TRIES))
        if pause >= 1.0:
            self._log(f"the server exits as soon as it is started; retrying in {pause:g} s")
        self.start_at = now + pause

    def signal(self, number: int) -> None:
        """Send it a signal, if there is one."""
        if self.pid is not None:
            # A child keeps its number until we reap it. Another one's may already be that of another process.
            try:
                if self.pidfd is None:
                    os.kill(self.pid, number)
                else:
                    signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                self.pid = None


def describe(status: int) -> str:
    """Describe a wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    from signal import Signals  # late: enumerations take a megabyte, and servers seldom die

    return f"signal {Signals(-code).name}"
