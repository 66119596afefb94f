"""The health checks of the run that is there: begun with it, and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from sbxcompose.api.models import HealthCheckConfig
from sbxcompose.clock import monotonic, wall_ms
from sbxcompose.host.supervise import health
from sbxcompose.host.supervise.health import Health
from sbxcompose.tasks import TaskOwner


class Probes(Struct, frozen=True):
    """How the run is looked at, as `health.watch` has it."""

    look: health.HealthProbe
    foreign_listener: health.Stranger


class Checks:
    """Looks after one run at a time."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None

    def begin(
        self,
        tasks: TaskOwner,
        config: HealthCheckConfig,
        known: Health,
        since_ms: int,
        report: Callable[[Health], None],
        probes: Probes,
    ) -> None:
        """Check from now on. The run's age, which the initial delay is measured by, counts from `since_ms`."""
        self.end()
        # Its start is known by the time of day, which may be set at any moment; from here on the age is counted.
        began = monotonic() - max(0, wall_ms() - since_ms) / 1000

        def age_ms() -> int:
            return round((monotonic() - began) * 1000)

        checks = health.watch(config, known, age_ms, report, probes.look, probes.foreign_listener)
        self._task = tasks.start(checks)

    def end(self) -> None:
        """Check no more; no harm if nothing is checked."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
