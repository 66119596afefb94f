"""The file system -> what was seen below roots, told as it happens: by inotify where that works, else by looking."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from sbxcompose.watch.gather import ChangeKind, SeenChange
from sbxcompose.watch.inotify import Inotify, LimitReached
from sbxcompose.watch.mounts import FOREIGN, file_system
from sbxcompose.watch.roots import IgnoresOf, WatchedRoot, snapshot
from sbxcompose.watch.rules import Root
from sbxcompose.watch.tree import InotifyTree

PAUSE = 1.0
"""Seconds between two looks where the kernel does not tell of changes; longer where looking takes long."""
SHARE = 10
"""A look may take this part of the time at most."""
POLL = "SBXCOMPOSE_WATCH_POLL"
"""The environment variable that asks to look again everywhere, for file systems that we do not know as foreign."""
_ADVICE = {
    "fs.inotify.max_user_watches": "sudo sysctl fs.inotify.max_user_watches=524288",
    "fs.inotify.max_user_instances": "sudo sysctl fs.inotify.max_user_instances=1024",
}


class FileWatcher:
    """`seen` is told what happens; `say` gets a sentence where watching is not as it should be."""

    def __init__(
        self,
        base: str,
        ignores_of: IgnoresOf,
        seen: Callable[[list[SeenChange]], None],
        say: Callable[[str], None],
        *,
        kernel: Callable[[], Inotify] = Inotify,
        poll: bool = False,
    ) -> None:
        self._base = base
        self._ignores_of = ignores_of
        self._seen = seen
        self._say = say
        self._open = kernel
        self._poll = poll
        self._kernel: Inotify | None = None
        self._tree: InotifyTree | None = None
        self._places: dict[Root, WatchedRoot] = {}
        self._polled: set[WatchedRoot] = set()
        self._polling: asyncio.Task[None] | None = None
        self._said: set[str] = set()

    async def watch(self, roots: Collection[Root]) -> None:
        """Watch these roots, and no others any more; from its return on nothing is missed."""
        for root in [each for each in self._places if each not in roots]:
            self._remove(self._places.pop(root))
        new = [root for root in dict.fromkeys(roots) if root not in self._places]
        if not new:
            return
        loop = asyncio.get_running_loop()
        if self._kernel is not None:
            loop.remove_reader(self._kernel.fd)
        said: list[str] = []
        await asyncio.to_thread(self._add, new, said.append)
        for text in said:
            self._say_once(text)
        if self._kernel is not None:
            loop.add_reader(self._kernel.fd, self._readable)
        if self._polled and self._polling is None:
            self._polling = asyncio.create_task(self._keep_looking())

    async def close(self) -> None:
        """Watch nothing any more."""
        if self._polling is not None:
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
        if self._kernel is not None:
            asyncio.get_running_loop().remove_reader(self._kernel.fd)
            self._kernel.close()
            self._kernel = None

    def _add(self, roots: Iterable[Root], say: Callable[[str], None]) -> None:
        """Looks through whole trees, so in a thread; nobody else touches anything meanwhile."""
        mounts = _mounts()
        for root in roots:
            place = self._places[root] = WatchedRoot(root, self._ignores_of(root))
            kind = file_system(os.path.realpath(root.path), mounts)
            if self._poll or kind in FOREIGN:
                if not self._poll:
                    say(f"{root.path} is on {kind}, which does not tell of changes: looking every {PAUSE:g}s instead")
                self._look_often(place)
                continue
            try:
                self._tree_for(say).add(place)
            except LimitReached as limit:
                say(_limit_words(limit))
                self._look_often(place)

    def _tree_for(self, say: Callable[[str], None]) -> InotifyTree:
        if self._tree is None:
            self._kernel = self._open()
            self._tree = InotifyTree(self._kernel, self._base, self._ignores_of, say)
        return self._tree

    def _look_often(self, place: WatchedRoot) -> None:
        if self._tree is not None:
            self._tree.remove(place)
        place.look()
        place.polled = snapshot(place)
        self._polled.add(place)

    def _remove(self, place: WatchedRoot) -> None:
        self._polled.discard(place)
        if self._tree is not None:
            self._tree.remove(place)

    def _readable(self) -> None:
        assert self._tree is not None
        try:
            seen = self._tree.read()
        except LimitReached as limit:
            seen = self._give_up_on_the_kernel(limit)
        if seen:
            self._seen(seen)

    def _give_up_on_the_kernel(self, limit: LimitReached) -> list[SeenChange]:
        """New folders that cannot be watched: look again instead, everywhere, for who knows which it was."""
        assert self._tree is not None
        self._say_once(_limit_words(limit))
        places = tuple(self._tree.places)
        for place in places:
            self._look_often(place)
        if self._polling is None:
            self._polling = asyncio.create_task(self._keep_looking())
        return [SeenChange(place.root, place.root.path, ChangeKind.CHANGED) for place in places]

    async def _keep_looking(self) -> None:
        taken = 0.0
        while True:
            await asyncio.sleep(max(PAUSE, SHARE * taken))
            begun = time.monotonic()
            seen = [each for place in tuple(self._polled) for each in await asyncio.to_thread(self._look, place)]
            taken = time.monotonic() - begun
            if seen:
                self._seen(seen)

    def _look(self, place: WatchedRoot) -> list[SeenChange]:
        before = place.polled or {}
        place.ignores = self._ignores_of(place.root)
        place.look()
        now = place.polled = snapshot(place)
        return [
            SeenChange(place.root, path if place.real is None else place.shown(path), _kind_of(path, before, now))
            for path in before.keys() | now.keys()
            if before.get(path) != now.get(path)
        ]

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _kind_of(path: str, before: dict[str, tuple[int, ...]], now: dict[str, tuple[int, ...]]) -> ChangeKind:
    if path not in now:
        return ChangeKind.DELETED
    return ChangeKind.CHANGED if path in before else ChangeKind.CREATED


def _limit_words(limit: LimitReached) -> str:
    advice = _ADVICE.get(limit.setting, limit.setting)
    return f"the limit {limit.setting} is reached: looking every {PAUSE:g}s instead; `{advice}` raises it"


def _mounts() -> str:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
