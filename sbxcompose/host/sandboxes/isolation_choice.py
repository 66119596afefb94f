"""Whether a new sandbox is isolated: decided from what was asked for, how the host was started, and what the machine
permits.
"""

from __future__ import annotations

from msgspec import Struct

from sbxcompose.api.sandbox_models import CreateRequest, Isolation
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.base.settings import IsolationMode


class GrantedIsolation(Struct, frozen=True):
    """How a sandbox is isolated; `refused` says why it is not, if it would be on a machine that permits it."""

    isolation: Isolation = "none"
    refused: str | None = None


def wanted_isolation(request: CreateRequest, default: IsolationMode, *, whole_disk: bool = False) -> IsolationMode:
    """Return what a request wants; `auto` is isolation where the machine permits it. Raises `Problem`.

    `default` is for a sandbox without a project that does not say. `whole_disk`: it begins with the disk of an isolated
    sandbox.
    """
    alone = request.project_directory is None and request.project is None
    wanted: IsolationMode = request.isolation or (default if alone else "none")
    mounted = [name for name, value in (("mounts", request.mounts), ("workspace", request.workspace)) if value]
    if mounted and wanted == "none":
        raise Problem(400, f"{mounted[0]} needs `isolation: overlay`", "UNSUPPORTED")
    limited = request.limits is not None and request.limits.disk is not None
    if wanted == "auto" and (mounted or limited or whole_disk or request.file_systems):
        return "overlay"  # what it wants it cannot have otherwise: the machine's refusal is the answer
    return wanted


def granted_isolation(wanted: IsolationMode, refusal: Problem | None, *, transient: bool = False) -> GrantedIsolation:
    """Return what a sandbox gets on a machine that refuses isolation, or not. Raises the refusal.

    `transient`: the machine was too busy. It may permit isolation, so that nothing falls back to none.
    """
    if wanted == "none":
        return GrantedIsolation()
    if refusal is None:
        return GrantedIsolation("overlay")
    if wanted == "overlay" or transient:
        raise refusal
    return GrantedIsolation(refused=refusal.error)
