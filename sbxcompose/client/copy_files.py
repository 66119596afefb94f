"""Which side of a copy is in a sandbox, and where there."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from sbxcompose.client.commands import running_sandbox
from sbxcompose.engine.requests import working_directory, workspace
from sbxcompose.engine.session import Session
from sbxcompose.errors import UnknownName, UnknownReplica, UsageError
from sbxcompose.plan.names import ProcessNames
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.files.by_hand import SandboxPath

_REMOTE = re.compile(r"(@?[A-Za-z0-9_-]+(?:/@?[A-Za-z0-9_-]+)?(?:\.[0-9]+)?):(.*)", re.DOTALL)


class CopiedFiles(Struct, frozen=True, kw_only=True):
    """What `cp` has copied: how many files (and links), and their size in bytes."""

    files: int
    size: int


class RemoteSide(Struct, frozen=True):
    """A side that is in a sandbox: `sandbox` is its name in the file, `process` the one that was named, if any."""

    sandbox: str
    process: str | None
    path: str
    text: str


class CopySides(Struct, frozen=True):
    """A side in a sandbox, the path on this machine, and whether it is copied into the sandbox."""

    remote: RemoteSide
    local: str
    into: bool


def sides_of(project: Project, source: str | os.PathLike[str], target: str | os.PathLike[str]) -> CopySides:
    """Return which side is where; a `Path` is always on this machine.

    Raises `UsageError` unless exactly one is in a sandbox, and as `remote_side`.
    """
    out, into = remote_side(project, source), remote_side(project, target)
    if out is not None and into is None:
        return CopySides(out, os.fspath(target), into=False)
    if into is not None and out is None:
        return CopySides(into, os.fspath(source), into=True)
    what = "both" if out is not None else "neither"
    raise UsageError(f"{what} of `{source}` and `{target}` is in a sandbox", hint="write one of them as `NAME:PATH`")


def remote_side(project: Project, text: str | os.PathLike[str]) -> RemoteSide | None:
    """Return the side that `text` means; None for one on this machine. Raises as `ProcessNames.resolve`.

    Something with a slash or a dot before its colon (`./a:b`) is a path of this machine.
    """
    if not isinstance(text, str) or (found := _REMOTE.fullmatch(text)) is None:
        return None
    name, path = found.groups()
    if any(sandbox.name == name for sandbox in project.sandboxes):
        return RemoteSide(name, None, path, text)
    names = ProcessNames(project)
    try:
        target = names.resolve(name)
    except UnknownReplica:
        raise
    except UnknownName as error:
        if error.explained:
            raise
        known = [*names.known, *(sandbox.name for sandbox in project.sandboxes)]
        raise UnknownName("sandbox or process", name, known, near=error.near or None) from error
    return RemoteSide(target.sandbox, target.process, path, text)


def path_in_sandbox(session: Session, remote: RemoteSide) -> SandboxPath:
    """Return the absolute path that is meant. Raises `UsageError` if the sandbox is not running."""
    from sbxcompose.files.by_hand import SandboxPath  # late: few scripts copy

    running_sandbox(session, remote.sandbox)
    project = session.project
    sandbox = next(sandbox for sandbox in project.sandboxes if sandbox.name == remote.sandbox)
    process = project.process(remote.sandbox, remote.process) if remote.process is not None else None
    base = workspace(project, sandbox) if process is None else working_directory(project, sandbox, process)
    return SandboxPath(posixpath.join(base, remote.path or "."), remote.text)
