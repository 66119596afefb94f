"""The host's server: puts its parts together, on sockets that the keeper has opened.

It always starts the same way, whether it is the first one or its predecessor was killed a moment ago: read
what is recorded, take over what the keeper holds, continue.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sbxcompose import paths
from sbxcompose.clock import monotonic, wall_time
from sbxcompose.host.base import damage, host_info, settings, unlocked, unsaved, write_back
from sbxcompose.host.base.host_info import INFO_FILE
from sbxcompose.host.base.json_files import write_json
from sbxcompose.host.http.accept import Acceptor
from sbxcompose.host.http.protocol import Activity, Connection
from sbxcompose.host.keeper import hostrecord
from sbxcompose.host.keeper.client import Exited, Inherited, KeeperClient, KeeperLost
from sbxcompose.host.keeper.messages import close_streams
from sbxcompose.host.keeper.protocol import SERVER_DONE
from sbxcompose.host.routes.application import HostApplication, url_of
from sbxcompose.host.sandboxes.registry import Sandboxes
from sbxcompose.version import __version__


class Host:
    """The server's parts, and when it is at its end."""

    def __init__(self, inherited: Inherited, keeper: KeeperClient, state: Path) -> None:
        self._keeper = keeper
        self._keeper.pid = self._keeper_pid = inherited.keeper_pid
        self._state = state
        self._started, self._began = wall_time(), monotonic()
        self._listeners = [socket.socket(fileno=inherited.listen_fd)]
        self._listening = False
        self._acceptor = Acceptor(keeper.tasks)
        self._address: tuple[str, int] | None = None
        self._key: str | None = None
        if inherited.tcp_fd is not None:
            self._listeners.append(socket.socket(fileno=inherited.tcp_fd))
            self._address = self._listeners[1].getsockname()[:2]
            self._key = settings.read_key(state / settings.KEY_FILE)
        self._url = url_of(self._address)
        self.sandboxes = Sandboxes(state / "sandboxes", keeper, self._quiet)
        self._application = HostApplication(self, self.sandboxes, self._address, self._key)
        self._activity = Activity(keeper.tasks, self._quiet)
        self._idle = settings.idle_seconds()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._noting = False
        self._ending = False

    # -- its life ------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Take over what is there, then answer."""
        damage.keep_in(self._state / damage.DIRECTORY)
        self._keeper.on_exit = self._exited
        self._keeper.on_replaced = self._replaced
        self._keeper.on_listener = self._listen_anew
        self._keeper.on_lost = self._keeper_lost
        # Before any record is read: the keeper holds those that the last server could not write, which are newer.
        await self._keeper.recall()
        unsaved.begin(self._keeper)
        write_back.retry()
        unlocked.keep_in(self._state / "unlocked")
        self.sandboxes.load()
        await self._adopt()
        self._write_info()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminated)
        for listener in self._listeners:
            self._listen(listener)
        self._listening = True
        self._quiet()
        over_tcp = f" and {self._url} (its key is in {self._state / settings.KEY_FILE})" if self._address else ""
        print(f"the host answers on {self._socket()}{over_tcp}", file=sys.stderr)

    def _listen(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        trusted = listener.family == socket.AF_UNIX
        acceptor = None if trusted else self._acceptor
        connection = partial(Connection, self._application, self._activity, trusted=trusted, acceptor=acceptor)
        self._acceptor.listen(listener, connection, trusted=trusted)

    def _listen_anew(self, fd: int) -> None:
        """Listen at another path, as the keeper does. The descriptor's number stays, for later keepers inherit it."""
        listener = self._listeners[0]
        self._acceptor.stop(listener)
        os.dup2(fd, listener.fileno(), inheritable=False)
        os.close(fd)
        if self._listening:
            self._listen(listener)

    def _socket(self) -> str | None:
        """Where the keeper has said that it listens."""
        record = hostrecord.read(paths.lock_path())
        return None if record is None else record.socket

    async def _adopt(self) -> None:
        adopted = await self._keeper.adopt()
        unknown = [unit for unit in adopted if not self.sandboxes.adopt(unit)]
        for unit in unknown:
            close_streams(unit)
            if unit.exited is None:
                await self._keeper.kill(unit.unit, signal.SIGKILL, "everything")
            else:
                await self._keeper.release(unit.unit)
        known = {unit.unit for unit in adopted}
        # Before anything is started: what is left of a lost run must not run beside its successor.
        interruption = host_info.interruption(self._state)
        # A copy's records are about another host's processes; after a reboot they match nothing, or this host's own.
        claims = [] if interruption is host_info.Interruption.COPIED else self.sandboxes.claims(known)
        if host_info.is_same_boot(self._state):  # process ids hold, however the clock was set meanwhile
            claims = [replace(claim, at=wall_time()) for claim in claims]
        for left in await self._keeper.sweep(claims):
            print(f"killed a process left behind by the last host: {left}", file=sys.stderr)
        self.sandboxes.recover(known, interruption)

    async def ended(self) -> None:
        """Wait for its end."""
        await self._done
        with suppress(OSError):
            (self._state / INFO_FILE).unlink()

    def _exited(self, exited: Exited) -> None:
        for left in exited.left_behind:
            print(f"killed a process that {exited.unit} left behind: {left}", file=sys.stderr)
        if not self.sandboxes.exited(exited):
            self._keeper.tasks.start(self._keeper.release(exited.unit))

    def _replaced(self, pid: int) -> None:
        print(f"keeper {self._keeper_pid} has died; {pid} has taken its place", file=sys.stderr)
        self._keeper_pid = pid
        self._write_info()

    def _keeper_lost(self, error: KeeperLost) -> None:
        """Let a successor take over: without the keeper nothing can be started or stopped here."""
        print(f"the connection to the keeper was lost ({error}); another server takes over", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)

    def _write_info(self) -> None:
        """Write what commands want to know of the host before they ask it anything."""
        try:
            write_json(self._state / INFO_FILE, host_info.contents(self._state, self._url, self._keeper_pid))
        except OSError as error:
            print(f"cannot write {INFO_FILE}: {error}", file=sys.stderr)

    def _terminated(self) -> None:
        """End everything politely, as the keeper was asked to end."""
        if not self._ending:
            self._ending = True
            self._keeper.tasks.start(self._end())

    async def _end(self) -> None:
        await self.end_all()
        await self.wait_for_keeper()
        await self.finish()

    # -- being idle ----------------------------------------------------------------------------------------

    def _quiet(self) -> None:
        """Begin to count the idle time if the last request or process has ended."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if not self._noting:
            self._noting = True
            asyncio.get_running_loop().call_soon(self._note_need)
        if self._idle < math.inf and self._activity.requests == 0 and not self.sandboxes.busy:
            self._idle_timer = asyncio.get_running_loop().call_later(self._idle, self._idle_for_long)

    def _note_need(self) -> None:
        """Tell the keeper whether a server is needed; once in a turn, however much has happened."""
        self._noting = False
        self._keeper.want(self.sandboxes.busy)

    def _idle_for_long(self) -> None:
        # Also a client that has connected but is not accepted yet: the end of the host would reset its connection.
        if self._activity.requests or self.sandboxes.busy or self._is_called():
            self._quiet()
        elif not self._done.done():
            print(f"no process and no request for {self._idle:g} s; the host exits", file=sys.stderr)
            self._done.set_result(None)

    def _is_called(self) -> bool:
        """Return whether a client waits to be accepted."""
        waiting = select.poll()
        for listener in self._listeners:
            waiting.register(listener, select.POLLIN)
        return bool(waiting.poll(0))

    # -- what its routes ask -------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return its status."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "keeper_pid": self._keeper_pid,
            "started_at": round(self._started * 1000),
            "uptime_secs": int(monotonic() - self._began),
            "sandboxes": len(list(self.sandboxes)),
            "running_processes": self.sandboxes.running,
            "tcp": self._url,
            "ends_when_idle": self._idle < math.inf,
            "socket": self._socket(),
            "state_directory": str(self._state),
            "options": settings.options(),
            "damaged": damage.report(),
        }

    async def isolation(self) -> dict[str, Any]:
        """Return how sandboxes of programs are isolated, and why this machine permits none, if it does not."""
        refusal = await self.sandboxes.isolation_probe.refusal()
        told = (None, None) if refusal is None else (refusal.error, refusal.hint)
        return {"mode": self.sandboxes.isolation_mode, "refused": told[0], "hint": told[1]}

    def running_names(self) -> list[str]:
        """Return what runs or will, as people know it."""
        return [
            f"{sandbox.info.name or sandbox.info.id}/{process.request.name or process.request.command}"
            for sandbox in self.sandboxes
            for process in sandbox.processes.live
        ] + [
            f"{sandbox.info.name or sandbox.info.id}/{terminal.record.command} (terminal)"
            for sandbox in self.sandboxes
            for terminal in sandbox.terminals.live
        ]

    async def end_all(self) -> None:
        """End every process, politely."""
        await self.sandboxes.end_all()

    async def wait_for_keeper(self) -> int:
        """Wait until a keeper is there, should another one just take the place of one that died; its process id.

        A keeper that finds its server gone when it takes over would start another one.
        """
        with suppress(KeeperLost):
            await self._keeper.sweep([])
        return self._keeper_pid

    async def finish(self) -> None:
        """End the host."""
        if not self._done.done():
            self._done.set_result(None)


async def serve() -> None:
    """Be the server, until the host is at its end."""
    inherited = Inherited.take()
    keeper = await KeeperClient.connect(inherited.control_fd, restart=inherited.restart)
    this = Host(inherited, keeper, paths.state_directory())
    await this.begin()
    await this.ended()
    await keeper.tasks.close()


def main() -> None:
    """Run the process that the keeper starts. Its exit status tells the keeper that the host is at its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the keeper, which tells us
    # The pipes and logs of many runs need more than the usual soft limit of 1024. The limit of what runs is not
    # changed by this: the keeper starts it, with the limit that it found itself.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Modules live until the end, so no collection need visit them: each would stand still for some 15 ms more.
    gc.freeze()
    asyncio.run(serve())
    sys.stdout.flush()
    os._exit(SERVER_DONE)  # connections are closed by that; there is nothing that must not be cut short


if __name__ == "__main__":
    main()
