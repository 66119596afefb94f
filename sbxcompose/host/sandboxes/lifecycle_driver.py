"""What drives the life of a sandbox: its events are reported, and the effects performed.

What becomes of it is decided in `lifecycle`. What is begun is recorded first, so that a server that takes over knows
what to finish.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sbxcompose.api.json_text import encode
from sbxcompose.api.sandbox_models import SandboxInfo, SandboxStatus
from sbxcompose.clock import boot_time, monotonic, wall_time
from sbxcompose.host.base import write_back
from sbxcompose.host.base.json_files import write_json
from sbxcompose.host.base.problems import Problem, from_os
from sbxcompose.host.base.timer import BootTimer, Timer
from sbxcompose.host.base.wake import ChangeSignal
from sbxcompose.host.sandboxes import lifecycle, suspension
from sbxcompose.host.sandboxes.lifecycle_types import (
    CancelTimeout,
    ExpireSandbox,
    FreezeFailed,
    FreezeSandbox,
    RecordFirst,
    RecordSoon,
    RefuseRequest,
    SandboxEffect,
    SandboxEvent,
    SandboxFrozen,
    SandboxLife,
    SandboxThawed,
    SandboxTime,
    SetTimeout,
    SuspensionPostponed,
    ThawFailed,
    ThawSandbox,
    TimeoutReached,
)
from sbxcompose.host.sandboxes.places import RECORD
from sbxcompose.host.sandboxes.workload import Workload


class SandboxDriver:
    """A sandbox that reports events to its lifecycle and performs the effects.

    `expired` is called when its lifetime is over, `idle` when something that was done to it is done.
    """

    def __init__(self, info: SandboxInfo, directory: Path, workload: Workload, ending: str | None = None) -> None:
        self.directory = directory
        self.workload = workload
        self.expired: Callable[[], None] = lambda: None
        self.idle: Callable[[], None] = lambda: None
        self._life = SandboxLife.recorded(info, ending, wall_time(), _now())
        self._news = ChangeSignal()
        self._timer: Timer | BootTimer = Timer()
        self._failure: str | None = None
        """Why it could not be suspended, or resumed, the last time."""

    @property
    def info(self) -> SandboxInfo:
        """What is recorded of it."""
        return self._life.info

    @property
    def ending(self) -> str | None:
        """Why it is being terminated; None if it is not."""
        return self._life.ending

    @property
    def status(self) -> SandboxStatus:
        """Its state in the contract's words."""
        return self.info.status

    @property
    def in_transition(self) -> bool:
        """Whether something is being done to it."""
        return self._life.stage.in_transition

    async def wait_until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true of it."""
        await self._news.wait_until(true)

    async def _at_rest(self) -> None:
        await self.wait_until(lambda: not self.in_transition or self.ending is not None)

    def _report(self, event: SandboxEvent) -> None:
        """Change its life by an event, and carry out what follows. Raises `Problem`, and changes nothing, if it is
        refused.
        """
        before = self._life
        life, effects = lifecycle.transition(before, event, _now())
        for effect in effects:
            if isinstance(effect, RefuseRequest):
                raise Problem(effect.status, effect.error, effect.code, effect.hint)
            if isinstance(effect, RecordFirst):
                self._record_first(life)
        self._life = life
        for effect in effects:
            self._perform(effect)
        if life.info is not before.info or life.ending is not before.ending:
            self._changed()

    def _perform(self, effect: SandboxEffect) -> None:
        match effect:
            case RecordSoon():
                path = os.fspath(self.directory / RECORD)
                write_back.record(path, encode(_record(self._life)), f"sandbox {self.info.id}")
            case FreezeSandbox():
                self.workload.keeper.tasks.start(self._freeze())
            case ThawSandbox():
                self.workload.keeper.tasks.start(self._thaw())
            case ExpireSandbox():
                self.expired()
            case SetTimeout(seconds, if_unset, counts_sleep):
                if not (if_unset and self._timer.is_set):
                    self._timer.cancel()
                    self._timer = BootTimer() if counts_sleep else Timer()
                    self._timer.set(seconds, self._due)
            case CancelTimeout():
                self._timer.cancel()

    def _record_first(self, life: SandboxLife) -> None:
        try:
            write_json(self.directory / RECORD, _record(life))
        except OSError as error:
            raise from_os(error, "the sandbox cannot be recorded") from None

    def _changed(self) -> None:
        """Let whoever waits look again."""
        self._news.notify()
        self.workload.processes.changes.suspended(self.status == "suspended")
        self.workload.processes.recheck()
        if not self.in_transition:
            self.idle()

    async def _freeze(self) -> None:
        try:
            # Before waiting: otherwise restarts could begin new runs again and again, and it would never be steady.
            self.workload.pause()
            await self.workload.wait_steady(lambda: self.ending is not None)
            if self.ending is None:
                await suspension.freeze(self.workload.keeper, self.workload.units)
        except Exception as error:
            self._failure = str(error)
            print(f"sandbox {self.info.id} cannot be frozen and is resumed: {error}", file=sys.stderr)
            self._report(FreezeFailed())
        else:
            self._report(SandboxFrozen())

    async def _thaw(self) -> None:
        try:
            await suspension.thaw(self.workload.keeper, self.workload.units)
        except Exception as error:
            self._failure = str(error)
            print(f"sandbox {self.info.id} cannot be resumed: {error}", file=sys.stderr)
            self._report(ThawFailed())
        else:
            # After the thaw: a process that is still frozen would fail its health checks.
            self.workload.resume()
            self._report(SandboxThawed())

    def arm_timeout(self) -> None:
        """Set the timer for when it is due to be suspended or terminated, if ever."""
        self._perform(lifecycle.timeout(self._life, _now()))

    def _due(self) -> None:
        try:
            self._report(TimeoutReached())
        except Problem as problem:
            print(f"not suspended: {problem.error}", file=sys.stderr)
            self._report(SuspensionPostponed())


def _record(life: SandboxLife) -> dict[str, Any]:
    """Return what is on disk of a sandbox: why it is being terminated as well, as long as it is not."""
    more = {"ending": life.ending} if life.ending is not None and life.info.status != "terminated" else {}
    return {**life.info.write(), **more}


def _now() -> SandboxTime:
    return SandboxTime(boot_time(), monotonic())
