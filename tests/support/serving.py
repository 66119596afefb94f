"""Servers of the tests: a task for each connection, and an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@dataclass(eq=False)
class Connections:
    """A server of TCP connections: `serve` is called for each, and cancelled when the server is closed."""

    serve: Serve
    host: str = "127.0.0.1"
    port: int = 0
    """Where it listens; 0 until it does, for any port."""
    tls: ssl.SSLContext | None = None
    tls_patience: float | None = None
    """Seconds that a client has to say goodbye; None: as long as asyncio has it."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve in this event loop."""
        server = await asyncio.start_server(
            self._accept, self.host, self.port, ssl=self.tls, ssl_shutdown_timeout=self.tls_patience
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            await asyncio.sleep(0)  # for the transports, which tell their ends in the next turn

    def cancel(self) -> None:
        """End what is served."""
        for task in self.tasks:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self.serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class LoopThread:
    """A thread that runs an event loop as long as `around` is entered."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the thread, without waiting for it."""
        self.loop.call_soon_threadsafe(function)

    def call_and_wait(self, function: Callable[[], object]) -> None:
        """Call a function in the thread, and wait until it has returned."""
        done = Future[object]()

        def run() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self.call(run)
        done.result()


@contextmanager
def in_thread(around: AbstractAsyncContextManager[object]) -> Iterator[LoopThread]:
    """Enter something asynchronous in a thread of its own, and leave it at the end."""
    entered = Future[tuple[LoopThread, asyncio.Event]]()

    async def stay() -> None:
        over = asyncio.Event()
        async with around:
            entered.set_result((LoopThread(asyncio.get_running_loop()), over))
            await over.wait()

    def run() -> None:
        try:
            asyncio.run(stay())
        except BaseException as error:
            if entered.done():
                raise
            entered.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        own, over = entered.result()
        try:
            yield own
        finally:
            own.call(over.set)
    finally:
        thread.join()
