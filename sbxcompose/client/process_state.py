"""The states that `ps` prints, and what `--filter` can say of them; imports nothing that takes long, for completion."""

from __future__ import annotations

from enum import StrEnum


class ProcessState(StrEnum):
    """The state of an instance, as `ps` prints it. Members are strings: `status.state == "running"`."""

    NOT_STARTED = "not started"
    SUSPENDED = "suspended"
    """Its sandbox is suspended."""
    FAILED_TO_START = "failed to start"
    STARTING = "starting"
    """Running; its health check has not succeeded yet, or its `ready_when` is not fulfilled."""
    RUNNING = "running"
    HEALTHY = "healthy"
    """Running, and its health check succeeds."""
    READY = "ready"
    """Running, and its `ready_when` is fulfilled."""
    UNHEALTHY = "unhealthy"
    BACKING_OFF = "backing off"
    """It failed, and will be restarted."""
    EXITED = "exited"
    COMPLETED = "completed"
    """A one-shot that has exited successfully."""
    STOPPED = "stopped"


KEYS = ("status", "health", "name", "sandbox", "label", "ready", "orphan", "outdated")
_FLAG = ("true", "false")
VALUES = {
    "health": ("starting", "healthy", "unhealthy", "none"),
    **dict.fromkeys(("ready", "orphan", "outdated"), _FLAG),
}
"""What keys can have, but for the state of a process."""


def choices(key: str | None = None) -> tuple[str, ...]:
    """Return the keys, or the values that one of them can have; none for a key that takes any text."""
    if key is None:
        return KEYS
    states = tuple(str(state).replace(" ", "-") for state in ProcessState)
    return {"status": states, "state": states, **VALUES}.get(key, ())
