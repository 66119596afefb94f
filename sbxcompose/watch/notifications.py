"""What the kernel reports about watched directories (inotify, FSEvents), read through watchfiles.

Each directory is watched by itself, never recursively, so ignored directories are neither scanned nor watched.
This uses watchfiles' Rust backend and not `awatch`, whose set of paths is fixed, which waits for at least two of its
steps before it reports a change, and which drops pending changes when it is stopped.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from msgspec import Struct
from watchfiles import Change
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

INSTANCES = 8
"""Kernel instances used at most: each counts against fs.inotify.max_user_instances and has a thread."""
STORM = 1000
"""Changed paths in one read from which on the kernel's queue may have overflowed, which watchfiles does not report."""
NEEDED = 8
"""Descriptors that an instance may need for a moment."""


class NotificationsUnavailable(Exception):
    """The kernel refuses to watch these directories; the text says why, and how to change that."""


class Notified(Struct, frozen=True):
    """Paths that have changed, and how. `complete` is false if changes of other paths may have been lost."""

    changes: frozenset[tuple[int, str]] = frozenset()
    complete: bool = True


class Notifications:
    """A set of watched directories. Nothing here blocks for longer than the kernel needs to add the directories."""

    def __init__(self) -> None:
        self.directories: set[str] = set()
        self._instances: list[RustNotify] = []
        self._pending: set[tuple[int, str]] = set()

    def add(self, directories: Iterable[str]) -> None:
        """Watch these too. Raises `NotificationsUnavailable`; a directory that no longer exists is left out."""
        new = [directory for directory in dict.fromkeys(directories) if directory not in self.directories]
        if not new:
            return
        if len(self._instances) >= INSTANCES:
            self.replace([*self.directories, *new])
            return
        self._instances += _open(new)
        self.directories.update(filter(os.path.isdir, new))

    def replace(self, directories: Collection[str]) -> None:
        """Watch exactly these. What is watched before and after is watched without a gap."""
        before = self._instances
        self._instances = _open(directories)
        self.directories = set(filter(os.path.isdir, directories))
        # Last, because what happened before the new instances were ready is only in the queues of the old ones.
        for instance in before:
            with suppress(WatchfilesRustInternalError):
                self._pending |= _read(instance)
            instance.close()

    def forget(self, directory: str) -> None:
        """Take `directory` and all below it out of the set: another directory has taken its place, or will."""
        below = directory + "/"
        self.directories = {path for path in self.directories if path != directory and not path.startswith(below)}

    def read(self) -> Notified:
        """Return what has changed since the last call. Does not wait."""
        changes, self._pending = self._pending, set()
        complete = True
        for instance in self._instances:
            try:
                changes |= _read(instance)
            except WatchfilesRustInternalError:  # a file name that is not UTF-8, for example
                complete = False
        if not complete:
            self.replace(self.directories)  # such an instance no longer reports anything but its error
        return Notified(frozenset(changes), complete and len(changes) < STORM)

    def close(self) -> None:
        """Watch nothing."""
        for instance in self._instances:
            instance.close()
        self._instances.clear()
        self.directories.clear()


class _NoChanges(Exception):
    """Nothing has changed."""


class _StopAfterTwoPolls:
    """The `stop_event` with which `RustNotify.watch` returns at once.

    watchfiles asks `is_set` before each look at what was reported, and returns changes after two looks. A third look
    means there were none. Answering true would make it drop changes reported since; an exception does not.
    """

    def __init__(self) -> None:
        self._looks = 0

    def is_set(self) -> bool:
        self._looks += 1
        if self._looks > 2:
            raise _NoChanges
        return False


def _read(instance: RustNotify) -> set[tuple[int, str]]:
    try:
        changes = instance.watch(0, 0, 0, _StopAfterTwoPolls())
    except _NoChanges:
        return set()
    if changes == "signal":
        raise KeyboardInterrupt  # what a signal handler raised just then, which watchfiles swallows
    assert isinstance(changes, set), changes
    return changes


def _open(directories: Collection[str]) -> list[RustNotify]:
    """Instances that watch these directories, as far as they may be read. Raises `NotificationsUnavailable`."""
    paths = [path for path in directories if _is_utf8(path)]
    for lenient in (False, False, True):
        try:
            return [_watch(paths, lenient=lenient)] if paths else []
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            paths = [path for path in paths if os.path.isdir(path) and os.access(path, os.R_OK)]
    return []


def _watch(paths: list[str], *, lenient: bool) -> RustNotify:
    """Make an instance; if `lenient`, one that leaves out what it cannot watch.

    Raises `OSError` for a directory that is gone or unreadable, and `NotificationsUnavailable`.
    """
    try:
        return RustNotify(
            paths, debug=False, force_polling=False, poll_delay_ms=0, recursive=False, ignore_permission_denied=lenient
        )
    except (OSError, WatchfilesRustInternalError) as error:
        reached = limit_reached(str(error), _has_descriptors)
        if reached is not None:
            raise NotificationsUnavailable(reached) from None
        if isinstance(error, (FileNotFoundError, NotADirectoryError, PermissionError)):
            raise
        raise NotificationsUnavailable(f"the system does not report file changes: {error}") from None


def limit_reached(error: str, has_descriptors: Callable[[], bool]) -> str | None:
    """Return which limit an error of inotify means, and how to raise it; None if it means something else.

    EMFILE has two meanings (inotify_init(2)); `has_descriptors` tells whether this process can open more files.
    """
    if "OS file watch limit reached" in error:
        return _sysctl("fs.inotify.max_user_watches", 524288)
    if "Too many open files in system" in error:
        return _sysctl("fs.file-max", 1048576)
    if "Too many open files" not in error:
        return None
    if has_descriptors():
        return _sysctl("fs.inotify.max_user_instances", 1024)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    words = f"`ulimit -n {hard}` raises it" if 0 <= soft < hard else "`sudo prlimit --nofile` raises it for a shell"
    return f"the limit of open files of this process (`ulimit -n`: {soft}) is reached; {words}"


def _sysctl(setting: str, value: int) -> str:
    return f"the limit {setting} is reached; `sudo sysctl {setting}={value}` raises it"


def _has_descriptors() -> bool:
    """Return whether this process can open as many files as an instance needs."""
    opened: list[int] = []
    try:
        for _ in range(NEEDED):
            opened.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    finally:
        for fd in opened:
            os.close(fd)
    return True


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_structural(kind: int) -> bool:
    """Return whether a path was created, removed or moved, rather than written to."""
    return kind != Change.modified
