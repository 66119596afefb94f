"""What happens below roots, as it happens: from notifications where there are any, else by comparing."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable

import anyio
import anyio.to_thread

from sbxcompose.clock import wall_time
from sbxcompose.watch.gather import ChangeKind, SeenChange
from sbxcompose.watch.mounts import FOREIGN, file_system
from sbxcompose.watch.notifications import Notifications, NotificationsUnavailable, is_structural
from sbxcompose.watch.roots import IgnoresOf, WatchedRoot
from sbxcompose.watch.rules import Root
from sbxcompose.watch.snapshot import ComparisonScope, Snapshot

STEP = 0.05
"""Seconds between two reads of what was notified: watchfiles cannot wake its reader. No more than the default debounce,
which begins when the file changed and not when that was read, so that no change counts later for it."""
SHORTEST_STEP = 0.003
"""As `STEP`, for roots with a debounce that is as short: less would cost more than the 4 % of a core that this does."""
PAUSE = 1.0
"""Seconds between two comparisons where there are no notifications; more where comparing takes long."""
SHARE = 10
"""A comparison may take this part of the time at most."""
ROUNDS = 10
"""Times in a row that new directories are looked for in new directories, before others have their turn."""
SAMPLE = 100
"""Changes of which the age is looked up, at most."""
POLL = "SBXCOMPOSE_WATCH_POLL"
"""The environment variable that asks to compare everywhere, for file systems that are not known to need it."""

OnSeen = Callable[[list[SeenChange], float], None]


class FileWatcher:
    """Say what to `watch`, and `run` it. `seen` gets what happens, and when it did, in seconds of `anyio.current_time`.

    `warn` gets a sentence where watching is not as it should be.
    """

    def __init__(
        self,
        base: str,
        ignores_of: IgnoresOf,
        seen: OnSeen,
        warn: Callable[[str], None],
        *,
        notifications: Notifications | None = None,
        poll: bool = False,
    ) -> None:
        self._base = base
        self._ignores_of = ignores_of
        self._seen = seen
        self._warn = warn
        self._poll = poll
        self._notifications = notifications if notifications is not None else Notifications()
        self._notified: dict[Root, Snapshot] = {}
        self._polled: dict[Root, Snapshot] = {}
        self._complete = True
        self._lock = anyio.Lock(fast_acquire=True)
        self._looked = 0.0
        self._said: set[str] = set()
        self._to_say: list[str] = []

    async def watch(self, roots: Collection[Root]) -> None:
        """Watch these roots, and no longer any others; from its return on nothing is missed."""
        async with self._lock:
            seen = await anyio.to_thread.run_sync(self._change_roots, list(dict.fromkeys(roots)))
        self._pass_on(seen)

    async def run(self) -> None:
        """Pass on what happens until cancelled; then watch nothing."""
        poll_at = anyio.current_time() + PAUSE
        try:
            while True:
                await anyio.sleep(step_of(self._notified) if self._notified else PAUSE)
                await self.poll()
                if self._polled and anyio.current_time() >= poll_at:
                    begun = anyio.current_time()
                    async with self._lock:
                        seen = await anyio.to_thread.run_sync(self._compare_polled)
                    self._pass_on(seen)
                    # Counted from the end: on a slow file system one comparison would otherwise follow the other
                    # without a pause.
                    poll_at = anyio.current_time() + max(PAUSE, SHARE * (anyio.current_time() - begun))
        finally:
            self._notifications.close()

    async def poll(self) -> None:
        """Pass on what was notified up to now."""
        async with self._lock:
            try:
                notified = self._notifications.read()
            except NotificationsUnavailable as error:
                self._pass_on(await anyio.to_thread.run_sync(self._give_up_notifications, error))
                return
            quiet = not notified.changes and notified.complete
            if quiet and self._complete and self._is_settled:
                self._looked = anyio.current_time()
                return
            seen = await anyio.to_thread.run_sync(self._take, notified.changes, quiet)
            self._complete = (quiet or self._complete) and notified.complete
        self._pass_on(seen)

    @property
    def _is_settled(self) -> bool:
        return all(snapshot.is_settled for snapshot in self._notified.values())

    def _pass_on(self, seen: list[SeenChange]) -> None:
        said, self._to_say = self._to_say, []
        for text in said:
            if text not in self._said:
                self._said.add(text)
                self._warn(text)
        now = anyio.current_time()
        if seen:
            self._seen(seen, max(self._looked, now - _age(seen[-SAMPLE:])))
        self._looked = now

    # What follows looks into directories, so it runs in a thread, one at a time. The threads are anyio's, since a
    # cancellation waits for those; after `asyncio.to_thread` they would continue beside whatever comes next.

    def _change_roots(self, roots: list[Root]) -> list[SeenChange]:
        removed = [root for root in (*self._notified, *self._polled) if root not in roots]
        for root in removed:
            self._notified.pop(root, None)
            self._polled.pop(root, None)
        mounts = _mounts()
        for root in roots:
            if root not in self._notified and root not in self._polled:
                self._add(root, mounts)
        return self._compare_due(exactly=bool(removed))

    def _add(self, root: Root, mounts: str) -> None:
        kind = file_system(os.path.realpath(root.path), mounts)
        polled = self._poll or kind in FOREIGN
        snapshot = Snapshot(WatchedRoot(root, self._ignores_of), self._base, self._to_say.append, exact=polled)
        if not polled:
            self._notified[root] = snapshot
            return
        if not self._poll:
            text = f"{root.path} is on {kind}, which does not report changes: looking every {PAUSE:g}s instead"
            self._to_say.append(text)
        self._polled[root] = snapshot
        snapshot.compare_root()
        snapshot.compare()

    def _take(self, changes: Iterable[tuple[int, str]], quiet: bool) -> list[SeenChange]:
        structural: dict[str, bool] = {}
        for kind, path in changes:
            # One path may have come and been written to in the same read: that it came is what matters.
            structural[path] = structural.get(path, False) or is_structural(kind)
        for path in [path for path, new in structural.items() if new and path in self._notifications.directories]:
            self._notifications.forget(path)  # it is gone, or another directory has taken its place
        snapshots = self._notified.values()
        seen = [
            change for path, new in structural.items() for snapshot in snapshots for change in snapshot.check(path, new)
        ]
        if quiet and not self._complete:
            for snapshot in snapshots:
                snapshot.root_is_due(ComparisonScope.DIFFERENCES)
        return seen + self._compare_due()

    def _compare_due(self, *, exactly: bool = False) -> list[SeenChange]:
        """Compare what is due, in directories that are watched by then, so that nothing falls between.

        `exactly`: and no longer watch anything else.
        """
        seen: list[SeenChange] = []
        for _ in range(ROUNDS):
            if self._is_settled and not exactly:
                break
            snapshots = list(self._notified.values())
            seen += [change for snapshot in snapshots for change in snapshot.compare_root()]
            to_watch = [directory for snapshot in snapshots for directory in snapshot.to_watch()]
            try:
                if exactly:
                    self._notifications.replace(to_watch)
                else:
                    self._notifications.add(to_watch)
            except NotificationsUnavailable as error:
                return seen + self._give_up_notifications(error)
            exactly = False
            watched = self._notifications.directories
            seen += [change for snapshot in snapshots for change in snapshot.compare(watched)]
        return seen

    def _give_up_notifications(self, error: NotificationsUnavailable) -> list[SeenChange]:
        """Compare everything instead, since the unwatched directories are unknown."""
        self._to_say.append(f"looking for file changes every {PAUSE:g}s instead of being notified: {error}")
        self._notifications.close()
        given_up, self._notified = self._notified, {}
        known = [root for root, snapshot in given_up.items() if snapshot.is_known]
        for snapshot in given_up.values():
            snapshot.exact = True
            snapshot.root_is_due(ComparisonScope.NOTHING)
            snapshot.compare_root()
            snapshot.compare()
        self._polled |= given_up
        return [SeenChange(root, root.path, ChangeKind.CHANGED) for root in known]

    def _compare_polled(self) -> list[SeenChange]:
        seen: list[SeenChange] = []
        for snapshot in self._polled.values():
            snapshot.root_is_due(ComparisonScope.DIFFERENCES)
            seen += snapshot.compare_root()
            seen += snapshot.compare()
        return seen


def step_of(roots: Iterable[Root]) -> float:
    """Return the seconds between two reads of what was notified of these roots; pure."""
    return min(STEP, max(SHORTEST_STEP, min(root.debounce for root in roots)))


def _age(seen: Iterable[SeenChange]) -> float:
    """Seconds since the latest of these changes, as far as the files tell; 0 where one of them is gone."""
    latest = 0.0
    for change in seen:
        try:
            latest = max(latest, os.lstat(change.path).st_ctime)
        except OSError:
            return 0.0
    return max(wall_time() - latest, 0.0)


def _mounts() -> str:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:  # not Linux
        return ""
