"""A small whole server: it keeps a client of its own, and does what lines of JSON on the host's socket
say."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from typing import Any

sys.path.insert(0, sys.argv[1])

from sbxcompose.host.keeper.client import Exited, Inherited, KeeperClient, Spawn
from sbxcompose.host.keeper.protocol import SERVER_DONE


class Server:
    def __init__(self, keeper: KeeperClient, inherited: Inherited) -> None:
        self.keeper = keeper
        self.keeper_pid = inherited.keeper_pid
        self.units: dict[str, int] = {}
        self.exits: dict[str, int | None] = {}
        self.news = asyncio.Condition()
        self.tasks: set[asyncio.Task[None]] = set()
        keeper.on_exit = self.exited
        keeper.on_replaced = self.replaced

    def exited(self, exited: Exited) -> None:
        self.exits[exited.unit] = exited.status
        self.notify_change()

    def replaced(self, pid: int) -> None:
        self.keeper_pid = pid
        self.notify_change()

    def notify_change(self) -> None:
        async def notify() -> None:
            async with self.news:
                self.news.notify_all()

        self.tasks.add(asyncio.get_running_loop().create_task(notify()))

    async def wait_until(self, condition: Any) -> None:
        async with self.news:
            await self.news.wait_for(condition)

    async def adopt(self) -> None:
        for row in await self.keeper.adopt():
            self.units[row.unit] = row.pid
            if row.exited:
                self.exits[row.unit] = row.exited.status

    async def stop(self) -> None:
        for unit in self.units:
            await self.keeper.stop(unit, signal.SIGTERM, 5)
        await self.wait_until(lambda: self.exits.keys() >= self.units.keys())
        os._exit(SERVER_DONE)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            answer = await self.do(json.loads(line))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def do(self, body: dict[str, Any]) -> Any:
        match body["op"]:
            case "who":
                return {
                    "pid": os.getpid(),
                    "keeper": self.keeper_pid,
                    "units": self.units,
                    "exits": self.exits,
                }
            case "spawn":
                spawned = await self.keeper.spawn(Spawn(body["unit"], body["argv"], dict(os.environ)))
                self.units[spawned.unit] = spawned.pid
                return spawned.pid
            case "new keeper":
                await self.wait_until(lambda: self.keeper_pid != body["old"])
                return self.keeper_pid
            case "exit of":
                await self.wait_until(lambda: body["unit"] in self.exits)
                return self.exits[body["unit"]]
            case "end":
                os._exit(body["status"])


async def main() -> None:
    inherited = Inherited.take()
    keeper = await KeeperClient.connect(inherited.control_fd, restart=inherited.restart)
    server = Server(keeper, inherited)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: server.tasks.add(loop.create_task(server.stop())))
    await server.adopt()
    listener = socket.socket(fileno=os.dup(inherited.listen_fd))
    async with await asyncio.start_unix_server(server.talk, sock=listener) as serving:
        await serving.serve_forever()


asyncio.run(main())
