"""Which project directory a local sandbox belongs to, and when another one may have it."""

from __future__ import annotations

import os

from sbxcompose.api.sandbox_models import ProjectClaim, SandboxInfo
from sbxcompose.api.wire_errors import claimed_elsewhere
from sbxcompose.spec.project import Project, Sandbox


def claim_of(project: Project, sandbox: Sandbox) -> ProjectClaim:
    """Return the claim of a project on one of its sandboxes."""
    file = project.files[0] if project.files else None
    if file is not None and (file == "-" or file.startswith(("/dev/", "/proc/"))):
        file = None  # it came through a pipe
    return ProjectClaim(name=project.name, sandbox=sandbox.name, directory=project.directory, file=file)


def check_claim(project: Project, sandbox: Sandbox, info: SandboxInfo) -> None:
    """Raise `Conflict` if another directory works with the sandbox: its file is there, and something of it runs.

    A folder that was moved, renamed or deleted has no claim, nor has one of which nothing runs. A project without a
    file has come from the sandboxes themselves.
    """
    other = info.project.directory if info.project is not None else info.project_directory
    if other is None or not project.files or same_directory(other, project.directory):
        return
    if info.live_processes == 0 or not _has_file(info, other):
        return
    raise claimed_elsewhere(sandbox.full_name, other)


def same_directory(one: str, other: str) -> bool:
    """Return whether two paths lead to the same directory, through links too."""
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False


def _has_file(info: SandboxInfo, directory: str) -> bool:
    """Return whether the project's file is still where it was; of a project without one, its directory."""
    if info.project is None or info.project.file is None:
        return os.path.isdir(directory)
    return os.path.exists(info.project.file)
