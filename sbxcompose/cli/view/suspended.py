"""Sandboxes that exist and are not running: what a command cannot see of them, and the way out."""

from __future__ import annotations

from collections.abc import Collection

from sbxcompose.plan.names import Target
from sbxcompose.plan.observed import Observed, ObservedSandbox, SandboxState


def asleep(observed: Observed, what: str) -> list[str]:
    """Return a line for each suspended sandbox; `what` says what that means."""
    return [
        f"sandbox {sandbox.name} is suspended: {what}; `sbxcompose unpause {sandbox.name}` resumes it"
        for sandbox in observed.sandboxes
        if sandbox.state is SandboxState.SUSPENDED and not sandbox.rows
    ]


def first_suspended(observed: Observed, targets: Collection[Target] | None) -> ObservedSandbox | None:
    """Return the first suspended sandbox that the targets (None: all) are in."""
    for sandbox in observed.sandboxes:
        meant = targets is None or any(target.sandbox == sandbox.name for target in targets)
        if meant and sandbox.state is SandboxState.SUSPENDED:
            return sandbox
    return None
