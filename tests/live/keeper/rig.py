"""A keeper with a test as its server: started, connected to, replaced, and cleared away."""

from __future__ import annotations

import array
import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from sbxcompose.host.keeper import freezer
from sbxcompose.host.keeper.census import mark_of, tag_of
from sbxcompose.host.keeper.client import Exited, KeeperClient, KeeperRestart, Spawn, Spawned
from sbxcompose.host.keeper.execution import ExecContext
from sbxcompose.host.keeper.hostrecord import host_name
from sbxcompose.host.keeper.options import KeeperPaths, keeper_argv

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LIMIT = 90.0
"""Seconds that a test may take."""

ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def server_argv(script: str = "relay.py") -> list[str]:
    return [sys.executable, str(HERE / script), str(ROOT)]


class Launched:
    """A keeper that was started, and what it said."""

    def __init__(self, directory: Path, ready: dict[str, Any], code: int | None) -> None:
        self.directory = directory
        self.ready = ready
        self.code = code
        """Exit status of the first process."""

    @property
    def socket_path(self) -> Path:
        return self.directory / "host.sock"

    @property
    def log(self) -> str:
        return (self.directory / "host.log").read_text()


def launch(directory: Path, server: list[str] | None = None, *, tcp: int | None = None) -> Launched:
    """Start a keeper that detaches itself."""
    read, write = os.pipe()
    argv = keeper_argv(
        KeeperPaths(directory / "host.sock", directory / "host.lock", directory / "host.log"),
        server or server_argv(),
        detach=True,
        tcp=tcp,
        ready_fd=write,
    )
    with subprocess.Popen(argv, pass_fds=(write,)) as process:
        os.close(write)
        with os.fdopen(read) as pipe:
            said = pipe.read()
    return Launched(directory, json.loads(said), process.returncode)


@contextmanager
def keeper_process(directory: Path, server: list[str] | None = None, *, tcp: int | None = None) -> Iterator[Launched]:
    """A keeper whose end is seen to."""
    launched = launch(directory, server, tcp=tcp)
    try:
        yield launched
    finally:
        for _ in range(2):
            with suppress(ProcessLookupError):
                os.kill(launched.ready["pid"], signal.SIGTERM)
        wait_for_end(launched.ready["pid"])


def wait_for_end(pid: int, seconds: float = LIMIT) -> None:
    """Wait until a process, anybody's child, has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        assert ended.poll(seconds * 1000), f"process {pid} does not end"
    finally:
        os.close(pidfd)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def children(pid: int) -> set[int]:
    """The children of a process that run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {item for item in map(int, found) if alive(item)}


async def escaped_alone(leader: int, escaped: int) -> None:
    """Wait until what helped a process to escape from its leader has ended."""
    while children(leader) - {escaped}:
        await asyncio.sleep(0)


class Rig:
    """A keeper to whom the test is the server."""

    def __init__(self, launched: Launched) -> None:
        self.launched = launched
        self.keeper_pid: int = launched.ready["pid"]
        self.relay_pid = 0
        self.relay: dict[str, Any] = {}
        self.exits: dict[str, Exited] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self._fds: list[int] = []
        self.replaced = asyncio.Event()
        self.client: KeeperClient

    @property
    def host(self) -> str:
        """What the keeper and its successors mark their processes and groups with."""
        return host_name(str(self.launched.directory))

    def mark_of(self, unit: str) -> str:
        """The marker in the environment of a unit's processes."""
        return mark_of(unit, tag_of(self.host, unit))

    async def connect(self) -> None:
        """Take the place of the server of the moment."""
        words, fds = await asyncio.to_thread(self._fetch)
        self.relay, self.relay_pid, self.keeper_pid = words, words["pid"], words["keeper"]
        control, lock, listen = fds
        self._fds += [lock, listen]
        self.client = await KeeperClient.connect(control, restart=self._restart(lock, listen))
        self.client.on_exit = self._exited
        self.client.on_replaced = self._replaced

    def _fetch(self) -> tuple[dict[str, Any], list[int]]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT)
            connection.connect(str(self.launched.socket_path))
            data, rights, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(12), socket.MSG_CMSG_CLOEXEC)
            while not data.endswith(b"\n"):
                data += connection.recv(1 << 16)
        fds = array.array("i")
        fds.frombytes(rights[0][2])
        return json.loads(data), list(fds)

    def _restart(self, lock: int, listen: int) -> KeeperRestart:
        ours = {"--lock-fd": lock, "--listen-fd": listen}
        argv = [
            f"{word.partition('=')[0]}={ours[word.partition('=')[0]]}" if word.partition("=")[0] in ours else word
            for word in self.relay["argv"]
        ]
        return KeeperRestart(tuple(argv), (lock, listen))

    def _exited(self, exited: Exited) -> None:
        assert exited.unit not in self.exits, "an exit was told twice"
        self.exits[exited.unit] = exited
        self._waiting.setdefault(exited.unit, asyncio.Event()).set()

    def _replaced(self, pid: int) -> None:
        self.keeper_pid = pid
        self.replaced.set()

    async def exit_of(self, unit: str) -> Exited:
        await self._waiting.setdefault(unit, asyncio.Event()).wait()
        return self.exits[unit]

    async def spawn(self, unit: str, *argv: str, **more: Any) -> tuple[Spawned, Output]:
        context = ExecContext(**{name: more.pop(name) for name in ExecContext.__slots__ if name in more})
        spawned = await self.client.spawn(Spawn(unit, list(argv), more.pop("env", ENV), context, **more))
        return spawned, Output(spawned.stdout)

    async def shell(self, unit: str, script: str, **more: Any) -> tuple[Spawned, Output]:
        return await self.spawn(unit, "sh", "-c", script, **more)

    async def kill_server(self) -> None:
        """End the server, and with it this connection: from then on the next server is the keeper's."""
        await self.client.close()
        os.kill(self.relay_pid, signal.SIGKILL)

    async def kill_keeper(self) -> None:
        self.replaced.clear()
        os.kill(self.keeper_pid, signal.SIGKILL)
        await self.replaced.wait()

    async def kill_host(self) -> None:
        """Kill server and keeper, and let go of what makes one the host."""
        await self.client.close()
        for pid in (self.keeper_pid, self.relay_pid):  # never SIGTERM: a keeper would pass it on to its server, us
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            wait_for_end(pid)
        while self._fds:
            os.close(self._fds.pop())

    async def close(self) -> None:
        with suppress(Exception):
            for row in await self.client.adopt():
                await self.client.kill(row.unit, signal.SIGKILL, "everything")
        await self.kill_host()
        freezer.Freezer(freezer.bases_for(self.host)).clear()


class Output:
    """What has come out of a pipe or terminal so far."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self.data = b""

    async def wait_until(self, found: Callable[[bytes], bool]) -> bytes:
        """Read until what has come satisfies; also at end of file."""
        assert self._fd is not None
        loop = asyncio.get_running_loop()
        while not found(self.data):
            ready = asyncio.Event()
            loop.add_reader(self._fd, ready.set)
            try:
                await ready.wait()
                piece = os.read(self._fd, 1 << 16)
            except OSError:  # a terminal without anybody at its other side
                piece = b""
            finally:
                loop.remove_reader(self._fd)
            if not piece:
                break
            self.data += piece
        return self.data

    async def text(self) -> str:
        """All of it."""
        return (await self.wait_until(lambda _: False)).decode()

    async def line(self, number: int = 0) -> str:
        """A line, once it is whole."""
        data = await self.wait_until(lambda data: data.count(b"\n") > number)
        return data.split(b"\n")[number].decode()


@asynccontextmanager
async def rig(server: list[str] | None = None, directory: Path | None = None) -> AsyncIterator[Rig]:
    """A keeper of one's own, for at most `LIMIT` seconds; in a directory of its own unless one is given."""
    with ExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sbx-", dir="/tmp")))
        async with asyncio.timeout(LIMIT):
            own = Rig(launch(directory, server))
            await own.connect()
            try:
                yield own
            finally:
                await own.close()
