"""When a supervisor starts an ended process again: decided from values alone (contract, section 3.4).

Time and the past come in as arguments; what has to be remembered until the next exit comes out as a `RestartHistory`.
"""

from __future__ import annotations

from msgspec import Struct

from sbxcompose.api.models import HealthStatus, RestartConfig
from sbxcompose.plurals import counted

STEADY_MS = 10_000
"""A run that lasted longer than this, and than the longest backoff, makes old crashes forgotten."""


STABLE_MS = 1_000
"""A run that did not last at least this long is a failed one."""


class RestartHistory(Struct, frozen=True):
    """What a supervisor remembers of its automatic restarts: over its whole life, and without a steady run
    between.
    """

    automatic: int = 0
    in_a_row: int = 0


class RunEnding(Struct, frozen=True):
    """How a run ended, as far as the decision needs it. `ran_ms` is 0 when it could not be started at all.

    A run whose end was not seen counts as failed: to start a service once too often does less harm than
    to leave it down.
    """

    failed: bool
    ran_ms: int


class RestartAfter(Struct, frozen=True):
    """Start it again after `delay_ms`; `tally` is what to remember."""

    delay_ms: int
    tally: RestartHistory


class NoRestart(Struct, frozen=True):
    """Leave it ended. `because` says why where the policy alone does not."""

    because: str | None = None


def after_exit(policy: RestartConfig, tally: RestartHistory, ending: RunEnding) -> RestartAfter | NoRestart:
    """Decide on a run that ended by itself, could not be started, or was found unhealthy."""
    if policy.policy == "never" or (policy.policy == "on_failure" and not ending.failed):
        return NoRestart()
    if policy.max_restarts is not None and tally.automatic >= policy.max_restarts:
        return NoRestart(_gave_up(policy.max_restarts))
    in_a_row = 0 if ending.ran_ms > steady_after_ms(policy) else tally.in_a_row
    return RestartAfter(backoff_ms(policy, in_a_row), RestartHistory(tally.automatic + 1, in_a_row + 1))


def was_good(ran_ms: int, health: HealthStatus) -> bool:
    """Return whether a run that has lasted `ran_ms` is a good one: stable and, if it has a check, healthy."""
    return ran_ms >= STABLE_MS and health in ("disabled", "healthy")


def backoff_ms(policy: RestartConfig, in_a_row: int) -> int:
    """Return the pause before a restart that follows `in_a_row` restarts: it doubles up to the limit."""
    # A millisecond doubled forty times is over thirty years: no need for larger numbers.
    return min(policy.initial_backoff_ms << min(in_a_row, 40), policy.max_backoff_ms)


def steady_after_ms(policy: RestartConfig) -> int:
    """Return how long a run must have lasted for the backoff to begin anew."""
    return max(STEADY_MS, policy.max_backoff_ms)


def remaining_ms(policy: RestartConfig, restart_at: int, now: int) -> int:
    """Return what is left of a backoff that ends at `restart_at`, for a server that comes to it late.

    Both are milliseconds since 1970. A clock that was set back meanwhile must not stretch it beyond the
    limit.
    """
    return max(0, min(restart_at - now, policy.max_backoff_ms))


def _gave_up(restarts: int) -> str:
    if restarts == 0:
        return "not restarted: max_restarts is 0"
    return f"gave up after {counted(restarts, 'restart')}"
