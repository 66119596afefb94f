"""Starting one process: its pipes or terminal, session, user, limits and environment."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import sys
import termios

from sbxcompose.clock import wall_time
from sbxcompose.host.keeper.census import mark_of, tag_of
from sbxcompose.host.keeper.enter import exec_inside, fork_sibling, join
from sbxcompose.host.keeper.execution import BaseEnvironment, ExecContext, Program, check_environment
from sbxcompose.host.keeper.explain import CannotSpawn, explain, os_error_text
from sbxcompose.host.keeper.fork_exec import check, fork_exec, read_failure
from sbxcompose.host.keeper.inits import Inits
from sbxcompose.host.keeper.namespaces import Inside
from sbxcompose.host.keeper.protocol import MARKER
from sbxcompose.light import signal
from sbxcompose.linux.processes import ticks_now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sbxcompose.host.keeper.inits import SandboxInit

PIPE_SIZE = 1 << 18
LARGE_PIPES = 96
"""How many pipes may be enlarged: an unprivileged user has 16384 pages for all pipes (pipe-user-pages-soft),
and once they are used up, new pipes get two pages."""

_IUTF8 = 0o40000
"""Linux's flag for `tcsetattr`, which the module `termios` does not name."""


class Limits:
    """The resource limits of the keeper itself, and those that its children get instead."""

    def __init__(self, soft_files: int | None) -> None:
        soft, self._hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._soft = soft if soft_files is None else min(soft_files, self._hard)
        self._resident, self._resident_hard = resource.getrlimit(resource.RLIMIT_RSS)
        self.raise_own()

    @property
    def hard_files(self) -> int:
        """How many descriptors the keeper may have."""
        return self._hard

    @property
    def soft_files(self) -> int:
        """The soft limit of open files that children get: the one that the host was started with."""
        return self._soft

    @property
    def can_tag(self) -> bool:
        """Whether the soft limit on resident sets is free to carry a tag."""
        return self._resident_hard == resource.RLIM_INFINITY

    def raise_own(self) -> None:
        """As many descriptors as allowed, and no tag."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._hard, self._hard))
        if self.can_tag:
            resource.setrlimit(resource.RLIMIT_RSS, (self._resident, self._resident_hard))

    def lower_for_child(self, tag: int) -> None:
        """Return what the next child shall inherit."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._soft, self._hard))
        if self.can_tag:
            resource.setrlimit(resource.RLIMIT_RSS, (tag, self._resident_hard))


class SpawnedProcess:
    """A process that runs: the parent's ends of its streams (and its pidfd) by name, which are the
    caller's.
    """

    __slots__ = ("at", "fds", "large", "pid", "tag", "ticks")

    def __init__(self, pid: int, at: float, ticks: int, tag: int, fds: dict[str, int], large: int) -> None:
        self.pid = pid
        self.ticks = ticks
        self.at = at
        self.tag = tag
        self.fds = fds
        self.large = large


class Spawner:
    """Starts processes; counts the large pipes that are open, and holds the networks that they may be in."""

    def __init__(self, limits: Limits, host: str) -> None:
        self._limits = limits
        self._host = host
        self._null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.large_pipes = 0
        self.networks: dict[str, int] = {}
        self.inits = Inits(host)

    def keep(self, name: str, fd: int) -> None:
        """Hold a network namespace under a name."""
        self.drop(name)
        self.networks[name] = fd

    def drop(self, name: str) -> None:
        """Let go of it; it lives on as long as anything is in it."""
        fd = self.networks.pop(name, None)
        if fd is not None:
            os.close(fd)

    def start(self, request: dict[str, Any], base: BaseEnvironment) -> SpawnedProcess:
        """Start what is asked for. Raises `CannotSpawn`."""
        streams = _Streams(self._null, request)
        try:
            self._leave_room()
            streams.open(large=self.large_pipes + 2 <= LARGE_PIPES)
            tag = tag_of(self._host, request["unit"])
            # Taken before the fork: the process must not look older than its unit (`escaped`, `unowned`).
            ticks = ticks_now()
            pid = self._run(request, base, streams.child, tag)
            streams.parent["pidfd"] = _watch(pid)
        except OSError as error:
            streams.close_parent()
            known = error.errno is not None and error.strerror == os.strerror(error.errno)
            words = os_error_text(error.errno or 0) if known else error.strerror or str(error)
            raise CannotSpawn(f"cannot start {request['argv'][0]}: {words}", error.errno or 0) from error
        except ValueError as error:  # characters that no file name can have
            streams.close_parent()
            raise CannotSpawn(f"cannot start {request['argv'][0]!r}: {error}", errno.EINVAL) from error
        except CannotSpawn:
            streams.close_parent()
            raise
        finally:
            streams.close_child()
        self.large_pipes += streams.large
        return SpawnedProcess(pid, wall_time(), ticks, tag, streams.parent, streams.large)

    def _leave_room(self) -> None:
        """Keep half of the descriptors free: to be handed over, each is held twice for a moment."""
        probe = os.dup(self._null)
        os.close(probe)
        if probe >= self._limits.hard_files // 2:
            limit = f"half of the host's limit of open files (`ulimit -n`: {self._limits.hard_files}) is in use"
            raise OSError(errno.EMFILE, f"{limit}; start the host where the hard limit (`ulimit -Hn`) is higher")

    def _run(self, request: dict[str, Any], base: BaseEnvironment, fds: list[int], tag: int) -> int:
        own = {**request["env"], MARKER: mark_of(request["unit"], tag)}
        check(request["argv"], request["cwd"])
        base.check()
        check_environment(own)
        program, context = Program(request["argv"], own, base), ExecContext.read(request)
        context.identity()  # refused here: a child in a sandbox has no words for it
        network = self._network(request.get("namespace"))
        init = self._init(request.get("inside"))
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            # Set on the keeper and inherited: to set them in the child would run Python there, which rules out vfork.
            self._limits.lower_for_child(tag)
            with Inside(network):
                if init is not None:
                    pid = _enter(init, program, context, fds, write, terminal=bool(request["pty"]))
                else:
                    pid = fork_exec(program, context, fds, (read, write), terminal=bool(request["pty"]))
        finally:
            self._limits.raise_own()
            # Closed first: the read ends when the child, as the last writer, has executed or ended.
            os.close(write)
            failure = read_failure(read)
        if failure or not pid:
            if pid:
                os.waitpid(pid, 0)
            raise explain(failure, request, {**base.values, **own}, inside=init is not None)
        return pid

    def _init(self, sandbox: str | None) -> SandboxInit | None:
        """Return the init process of an isolated sandbox. Raises `CannotSpawn`."""
        init = None if sandbox is None else self.inits.find(sandbox)
        if sandbox is not None and init is None:
            raise CannotSpawn("the init process of the sandbox has just ended", errno.ESRCH)
        return init

    def _network(self, name: str | None) -> int | None:
        """Return the network to start a process in; never another one in place of one that is gone."""
        if name is None:
            return None
        if name not in self.networks:
            raise CannotSpawn(f"network {name} not found", errno.ENOENT)
        return self.networks[name]


def _enter(
    init: SandboxInit, program: Program, context: ExecContext, fds: list[int], errors: int, *, terminal: bool
) -> int:
    """Start a process in an isolated sandbox; its pid, 0 if it could not be forked."""
    return fork_sibling(
        lambda: join(context, init.pidfd, user=init.user),
        lambda: exec_inside(program, context, fds, errors, terminal=terminal),
        errors,
    )


class _Streams:
    """Both ends of a child's standard streams."""

    def __init__(self, null: int, request: dict[str, Any]) -> None:
        self._null = null
        self._request = request
        self.child = [null, null, null]
        self.parent: dict[str, int] = {}
        self.large = 0

    def open(self, *, large: bool) -> None:
        if self._request["pty"]:
            self._open_terminal(*self._request["pty"], for_log=bool(self._request.get("pty_for_log")))
            return
        if self._request["stdin"] == "pipe":
            self.child[0], self.parent["stdin"] = os.pipe2(os.O_CLOEXEC)
        for number, name in ((1, "stdout"), (2, "stderr")):
            if self._request[name] == "pipe":
                self.parent[name], self.child[number] = os.pipe2(os.O_CLOEXEC)
                self.large += large and _enlarge(self.parent[name])
        # Only our ends: what the child does not expect would break it.
        for fd in self.parent.values():
            os.set_blocking(fd, False)
        self._give_away()

    def _open_terminal(self, rows: int, columns: int, *, for_log: bool) -> None:
        """Open an interactive terminal, or one whose output goes `for_log`: then input is as requested."""
        master, slave = os.openpty()
        self.parent["stdout"] = master
        self.child = [slave, slave, slave]
        if for_log:
            _leave_lines_alone(slave)
            if self._request["stdin"] == "pipe":
                self.parent["stdin"] = os.dup(master)
            else:
                # Else it would wait for input that never comes.
                self.child[0] = self._null
        size = b"".join(number.to_bytes(2, sys.byteorder) for number in (rows, columns, 0, 0))
        fcntl.ioctl(slave, termios.TIOCSWINSZ, size)
        _erase_whole_characters(slave)
        os.set_blocking(master, False)
        self._give_away()

    def _give_away(self) -> None:
        """Let the user that the process runs as open its own streams again (`echo >/dev/stdout`)."""
        if self._request["uid"] is not None and os.geteuid() == 0:
            for fd in {*self.child} - {self._null}:
                os.fchown(fd, self._request["uid"], -1)

    def close_child(self) -> None:
        for fd in {*self.child} - {self._null}:
            os.close(fd)

    def close_parent(self) -> None:
        for fd in self.parent.values():
            os.close(fd)


def _enlarge(pipe: int) -> bool:
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        return False
    return True


def _watch(pid: int) -> int:
    """Open a pidfd of a child; a child that cannot be watched is not left running."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _erase_whole_characters(terminal: int) -> None:
    """Let Backspace take a whole character, as terminal emulators have it, and not the last byte of one."""
    attributes = termios.tcgetattr(terminal)
    attributes[0] |= _IUTF8
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)


def _leave_lines_alone(terminal: int) -> None:
    """Let output through as it is written, a line feed without a carriage return, and do not echo what is typed."""
    attributes = termios.tcgetattr(terminal)
    attributes[1] &= ~termios.ONLCR
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
