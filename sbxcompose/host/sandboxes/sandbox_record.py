"""The record of a sandbox, and how one is told that is not there, or not any longer."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.host.base.problems import Problem

EXTENSIONS = ["batch", "watch", "stop", "pty", "stats", "start-key"]


class SandboxRecord(SandboxInfo, frozen=True, kw_only=True):
    """What is on disk of a sandbox. `ending`: why it is being terminated, if it is."""

    ending: str | None = None


def not_found(identifier: str) -> Problem:
    """404 for a sandbox that never was, or is forgotten."""
    return Problem(404, f"sandbox {identifier[:80]} not found", "SANDBOX_NOT_FOUND")


def archived_form(info: SandboxInfo) -> SandboxInfo:
    """Return a terminated sandbox as the archive shows it."""
    return replace(info, archived_at=info.terminated_at)
