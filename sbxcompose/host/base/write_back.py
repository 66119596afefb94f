"""Records that cannot be refused: written now, or else as soon as there is room again.

What has happened has happened, whether the disk is full or not; what was only asked for is refused instead
(`json_files.write_json` raises).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress

from sbxcompose.host.base import unsaved
from sbxcompose.host.base.json_files import replace_file
from sbxcompose.host.base.timer import Timer

RETRY = 1.0
"""Seconds between two attempts."""

_timer = Timer()
_loop: asyncio.AbstractEventLoop | None = None
"""The one in which the timer is set; another one may have ended before it was due."""
_actions: list[Callable[[], None]] = []


def record(path: str, data: bytes, what: str) -> None:
    """Replace a file by `data`, now or as soon as possible. `what` names the record in the host's log."""
    try:
        replace_file(path, data)
    except OSError as error:
        hold(path, data, what, error)


def hold(path: str, data: bytes, what: str, error: OSError) -> None:
    """Replace a file by `data` as soon as possible: `error` says why it could not be written just now."""
    if unsaved.content(path) is None:
        words = error.strerror or str(error)
        print(f"{what} cannot be recorded: {words}; it is held in memory until that is possible", file=sys.stderr)
    unsaved.hold(path, data)
    _wait()


def when_possible(action: Callable[[], None]) -> None:
    """Repeat an action that has raised `OSError` until it does not."""
    _actions.append(action)
    _wait()


def retry() -> None:
    """Try to write everything that is held, and again in a while if that fails."""
    for path in unsaved.paths():
        data = unsaved.content(path)
        if data is None:
            continue
        try:
            replace_file(path, data)
        except FileNotFoundError:  # the directory is gone, and with it what the record is about
            unsaved.release(path)
        except OSError:
            break
    actions = _actions[:]
    _actions.clear()
    for action in actions:
        try:
            action()
        except OSError:
            _actions.append(action)
    if unsaved.paths() or _actions:
        _wait()


def _wait() -> None:
    global _loop
    with suppress(RuntimeError):  # no event loop runs: a tool, or a test
        loop = asyncio.get_running_loop()
        if _loop is not loop or not _timer.is_set:
            _loop = loop
            _timer.set(RETRY, retry)
