"""A watcher on real folders whose batches a test waits for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sbxcompose.files.load_rules import load_rules
from sbxcompose.watch.gather import Gatherer, SeenChange
from sbxcompose.watch.notifications import Notifications
from sbxcompose.watch.rules import DEFAULT_IGNORES, Root
from sbxcompose.watch.watcher import FileWatcher

QUIET = 0.05


class Eye:
    """What a watcher has seen, as batches of paths."""

    watcher: FileWatcher

    def __init__(self, top: Path) -> None:
        self.top = top
        self.said: list[str] = []
        self._gatherer = Gatherer()
        self._news = asyncio.Event()

    def seen(self, seen: list[SeenChange], at: float) -> None:
        self._gatherer.add(seen, at)
        self._news.set()

    async def batch(self) -> set[str]:
        """The next batch, as paths relative to the top."""
        loop = asyncio.get_running_loop()
        while True:
            due = self._gatherer.due
            if due is not None and due <= loop.time():
                found = self._gatherer.take(loop.time())
                if found:
                    return {os.path.relpath(path, self.top) for paths in found.values() for path in paths}
                continue
            self._news.clear()
            try:
                async with asyncio.timeout_at(due):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def after(self, act: Callable[[], object]) -> set[str]:
        """The batch that an action leads to, without the end mark that shows that there was nothing more."""
        act()
        found = await self.batch()
        return found

    async def all_after(self, act: Callable[[], object], wanted: set[str]) -> set[str]:
        """All batches until `wanted` have come: what a busy machine looks at later may be a batch of its own."""
        found = await self.after(act)
        while not wanted <= found:
            found |= await self.batch()
        return found


def root(path: Path, *ignore: str) -> Root:
    return Root(str(path), (*DEFAULT_IGNORES, *ignore), QUIET)


@asynccontextmanager
async def watching(
    top: Path, *roots: Root, notifications: Notifications | None = None, poll: bool = False
) -> AsyncIterator[Eye]:
    eye = Eye(top)
    eye.watcher = FileWatcher(
        str(top),
        lambda root: load_rules(root.path, root.ignore),
        eye.seen,
        eye.said.append,
        notifications=notifications,
        poll=poll,
    )
    await eye.watcher.watch(roots or [root(top)])
    running = asyncio.create_task(eye.watcher.run())
    try:
        yield eye
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
