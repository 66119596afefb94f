"""What a server gets from the keeper that starts it, and how it starts another keeper should that one die."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Self

from sbxcompose.host.keeper.protocol import (
    ARGV_SEPARATOR,
    ENV_CONTROL,
    ENV_KEEPER_ARGV,
    ENV_KEEPER_PID,
    ENV_LISTEN,
    ENV_LOCK,
    ENV_TCP,
    INHERITANCE,
)


@dataclass(frozen=True, slots=True)
class KeeperRestart:
    """How a server starts a new keeper: the keeper's command line, and the descriptors that it must inherit.

    The options that say which end of a new control socket is the keeper's, and that it takes over, are put in
    front of the server's command by `start`.
    """

    argv: tuple[str, ...]
    fds: tuple[int, ...]

    def start(self, control_fd: int, ready_fd: int) -> subprocess.Popen[bytes]:
        """Run the new keeper, which detaches itself: the process returned ends at once, the keeper
        continues.
        """
        # In front of the separator: what comes after it is the command line of the server, which is passed on as it is.
        split = self.argv.index("--")
        words = [
            *self.argv[:split],
            f"--take-over={control_fd}",
            f"--ready-fd={ready_fd}",
            f"--server-pid={os.getpid()}",
            *self.argv[split:],
        ]
        # Not in the server's directory: a keeper that stays there would keep a file system from being unmounted.
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=(*self.fds, control_fd, ready_fd), cwd="/")


def launch(restart: KeeperRestart) -> tuple[socket.socket, int, subprocess.Popen[bytes]]:
    """Run a new keeper: our end of its control socket, the pipe on which it reports when it is ready, and its launcher.

    Raises `OSError`.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            read, write = os.pipe()
        except OSError:
            ours.close()
            raise
        try:
            return ours, read, restart.start(theirs.fileno(), write)
        except BaseException:
            ours.close()
            os.close(read)
            raise
        finally:
            # While we have these ends open, neither the keeper's death nor the end of its report can be seen.
            os.close(write)


@dataclass(frozen=True, slots=True)
class Inherited:
    """The server's inheritance. Its descriptors belong to the server."""

    control_fd: int
    """For `KeeperClient.connect`."""
    listen_fd: int
    """The listening Unix socket."""
    tcp_fd: int | None
    """The listening loopback TCP socket, if the host was asked for one."""
    lock_fd: int
    """The host's lock: to be held open, so that the lock outlives the keeper."""
    keeper_pid: int
    restart: KeeperRestart

    @classmethod
    def take(cls, environ: MutableMapping[str, str] = os.environ) -> Self:
        """Read and remove the variables that the keeper has set. Raises `KeyError` when not started by
        one.
        """
        # Removed: a program that the server starts with its own environment must not take itself for a server.
        values = {name: environ.pop(name, "") for name in INHERITANCE}
        if not values[ENV_CONTROL]:
            raise KeyError(ENV_CONTROL)
        listen, lock = int(values[ENV_LISTEN]), int(values[ENV_LOCK])
        tcp = int(values[ENV_TCP]) if values[ENV_TCP] else None
        control = int(values[ENV_CONTROL])
        fds = tuple(fd for fd in (listen, tcp, lock) if fd is not None)
        # They were left open for this exec alone. A child that had the lock, too, would hold it after the host's end.
        for fd in (control, *fds):
            os.set_inheritable(fd, False)
        argv = tuple(values[ENV_KEEPER_ARGV].split(ARGV_SEPARATOR))
        return cls(control, listen, tcp, lock, int(values[ENV_KEEPER_PID]), KeeperRestart(argv, fds))
