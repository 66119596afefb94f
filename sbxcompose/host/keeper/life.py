"""The keeper's life: it ties the parts together, and decides when the host is at its end."""

from __future__ import annotations

import os
import sys

from sbxcompose.clock import monotonic
from sbxcompose.host.keeper import cgroups
from sbxcompose.host.keeper.endpoint import KeeperEndpoint
from sbxcompose.host.keeper.freezer import Freezer, bases_for
from sbxcompose.host.keeper.host_descriptors import HostDescriptors
from sbxcompose.host.keeper.hostrecord import host_name
from sbxcompose.host.keeper.log import log
from sbxcompose.host.keeper.loop import Loop
from sbxcompose.host.keeper.oom import KernelLog
from sbxcompose.host.keeper.options import KeeperOptions
from sbxcompose.host.keeper.protocol import (
    ARGV_SEPARATOR,
    ENV_KEEPER_ARGV,
    ENV_KEEPER_PID,
    ENV_LISTEN,
    ENV_LOCK,
    ENV_TCP,
    SERVER_DONE,
    Channel,
)
from sbxcompose.host.keeper.serverprocess import ServerProcess, server_environment
from sbxcompose.host.keeper.spawn import Limits, Spawner
from sbxcompose.host.keeper.units import Units
from sbxcompose.light import signal, socket
from sbxcompose.linux import kernel

GRACE = 10.0
"""Seconds that units get when the keeper itself must stop them."""


class Keeper:
    """Ties the parts together, and decides when the host is at its end."""

    def __init__(self, options: KeeperOptions, descriptors: HostDescriptors, limits: Limits) -> None:
        self._options = options
        self._descriptors = descriptors
        self._loop = Loop(self._signalled)
        host = host_name(descriptors.lock)
        self._freezer = Freezer(bases_for(host))
        self._units = Units(
            self._loop, lambda event, unit: self._endpoint.emit(event, unit), self._freezer, KernelLog()
        )
        self._spawner = Spawner(limits, host)
        self._endpoint = KeeperEndpoint(self._loop, self._units, self._spawner, host)
        environment = self._server_environment(limits)
        connect = self._endpoint.open
        self._server = ServerProcess(options.server, environment, descriptors.fds, connect, self._is_needed, log)
        self._ending = False
        self._status: int | None = None

    def start(self) -> None:
        """Start the server, or take over from a keeper that has died."""
        if self._options.take_over < 0:
            for pid in self._freezer.clear():
                log(f"killed process {pid}, which a host that was killed had left frozen")
            self._server.start()
            cgroups.sweep()
        else:
            self._endpoint.open(Channel(socket.socket(fileno=self._options.take_over)))
            self._watch_foreign_server()
        self._exempt_server()

    def run(self) -> int:
        """Serve until the host is at its end; the exit status."""
        while self._status is None:
            self._loop.turn(self._deadline())
            self._units.expire()
            self._units.finish_ended()
            self._endpoint.work()
            self._endpoint.flush()
            self._tend_server()
            if self._ending and self._server.pid is None and not self._units.live:
                self._status = self._status or 0
        self._freezer.clear()
        self._units.end_outcasts()
        self._spawner.inits.kill_all()
        cgroups.sweep()  # the limits of this host's sandboxes, too, which the next one sets anew
        return self._status

    def _deadline(self) -> float | None:
        times = (0.0 if self._endpoint.busy else None, self._units.deadline, self._server.start_at)
        return min((time for time in times if time is not None), default=None)

    def _server_environment(self, limits: Limits) -> dict[str, str]:
        lock, unix, *tcp = self._descriptors.fds
        split = sys.orig_argv.index("-c")
        options = self._options
        argv = [
            *(sys.executable, *sys.orig_argv[1 : split + 3]),
            *(f"--socket={options.socket}", f"--lock={options.lock}", f"--log={options.log}"),
            *(f"--lock-fd={lock}", f"--listen-fd={unix}", f"--soft-files={limits.soft_files}"),
            *(f"--tcp-fd={fd}" for fd in tcp),
            *("--", *options.server),
        ]
        return {
            **server_environment(dict(os.environ)),
            **{ENV_LOCK: str(lock), ENV_LISTEN: str(unix), ENV_KEEPER_PID: str(os.getpid())},
            **{ENV_KEEPER_ARGV: ARGV_SEPARATOR.join(argv), ENV_TCP: str(tcp[0]) if tcp else ""},
        }

    # -- signals -----------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        if number == signal.SIGCHLD:
            for pid, status in self._units.reap().items():
                if pid == self._server.pid:
                    self._server_ended(status)
        elif number == signal.SIGUSR1:
            self._listen_anew()
        elif number != signal.SIGHUP or not self._options.detach:
            self._end()

    def _listen_anew(self) -> None:
        """Open another socket for a command that cannot reach this host's: its file is gone, or out of its sight."""
        if self._descriptors.listen_anew():
            log(f"listening on {self._descriptors.path} from now on")
            self._endpoint.give_listener(self._descriptors.unix.fileno())

    def _end(self) -> None:
        """Asked to end: the server stops everything politely. Asked again: everything is killed."""
        if self._ending:
            self._server.signal(signal.SIGKILL)
            self._units.kill_all()
        self._ending = True
        self._server.start_at = None
        if self._server.pid is not None:
            self._server.signal(signal.SIGTERM)
        else:
            self._units.stop_all(GRACE)

    # -- the server --------------------------------------------------------------------------------

    @property
    def server_pid(self) -> int | None:
        """The process id of the server of the moment."""
        return self._server.pid

    def _exempt_server(self) -> None:
        self._units.finder.exempt = set() if self._server.pid is None else {self._server.pid}

    def _watch_foreign_server(self) -> None:
        """Watch a server that is not our child: it has started us."""
        pid = self._options.server_pid
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            self._server_ended(None)
            return
        self._server.pid = pid
        self._server.pidfd = pidfd
        # A pidfd, because SIGCHLD tells of our own children alone; it becomes readable when the process ends
        # (pidfd_open(2)).
        self._loop.watch(pidfd, self._foreign_server_ended)

    def _foreign_server_ended(self) -> None:
        if self._server.pidfd is None:
            return
        status = kernel.final_status(self._server.pidfd, self._options.server_pid)
        self._loop.unwatch(self._server.pidfd)
        os.close(self._server.pidfd)
        self._server.pidfd = None
        self._server_ended(status)

    def _server_ended(self, status: int | None) -> None:
        self._endpoint.drain()
        done = status is not None and os.waitstatus_to_exitcode(status) == SERVER_DONE
        if self._ending or (done and not self._units.live):
            self._ending = True
            self._server.pid = None
            self._units.stop_all(GRACE)
        else:
            self._server.died(status, spoke=self._endpoint.spoke)
        self._exempt_server()

    def _tend_server(self) -> None:
        if self._server.start_at is not None and self._server.start_at <= monotonic():
            self._server.start()
            self._exempt_server()
        if self._server.given_up and not self._ending:
            self._status = 1

    def _is_needed(self) -> bool:
        """Return whether anything runs, or is to be started again by a server."""
        return self._units.live or self._endpoint.wanted
