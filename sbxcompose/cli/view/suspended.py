"""Sandboxes that exist and are not running: what a command cannot see of them, and the way out."""

from __future__ import annotations

from sbxcompose.plan.observed import Observed, SandboxState


def asleep(observed: Observed, what: str) -> list[str]:
    """Return a line for each suspended sandbox; `what` says what that means."""
    return [
        f"sandbox {sandbox.name} is suspended: {what}; `sbxcompose unpause {sandbox.name}` resumes it"
        for sandbox in observed.sandboxes
        if sandbox.state is SandboxState.SUSPENDED and not sandbox.rows
    ]
