"""Room for many connections: each process that is followed in the cloud has a stream of its own."""

from __future__ import annotations

from contextlib import suppress

MAX_NEEDED = 10_240
"""Descriptors; more than that macOS gives to no process."""


def raised(soft: int, hard: int, infinity: int) -> int:
    """Return the soft limit to set, which is never a lower one."""
    if soft == infinity:
        return soft
    return max(soft, MAX_NEEDED if hard == infinity else min(hard, MAX_NEEDED))


def raise_limit() -> None:
    """Allow this process as many descriptors as it may take; shells give 256 to 1024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # fewer will do for most
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised(soft, hard, resource.RLIM_INFINITY), hard))
