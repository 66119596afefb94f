"""Files of the project, kept in its sandboxes: which, from where to where, and one `Copy` a sandbox."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.clock import monotonic
from sbxcompose.engine.events import CopyDone, CopyProgress, EventHandler
from sbxcompose.errors import SbxError
from sbxcompose.plan.copies import ToCopy
from sbxcompose.spec.project import Project, Sandbox

if TYPE_CHECKING:
    from sbxcompose.files.read import Memory
    from sbxcompose.files.remote import RemoteResult
    from sbxcompose.files.scan import CopySource
    from sbxcompose.files.transfer import Copied, Copy, CopyComparison, TransferProgress


class CopyTarget(Struct, frozen=True):
    """A sandbox that runs: its daemon, and the folder there that the project's files go to."""

    client: SandboxClient
    workspace: str


class Copies:
    """The copies of a project's sandboxes, made when they are first asked for."""

    def __init__(self, project: Project, environ: Mapping[str, str], emit: EventHandler) -> None:
        self._project = project
        self._environ = environ
        self._emit = emit
        self._copies: dict[str, tuple[SandboxClient, Copy]] = {}

    async def compare(self, sandbox: Sandbox, place: CopyTarget | None) -> ToCopy | None:
        """Return what would be copied, None for nothing. Without a `place` (no sandbox yet) it is everything."""
        compared = await self._copy(sandbox, place).compare()
        return _to_copy(compared) if compared else None

    async def sync(self, sandbox: Sandbox, place: CopyTarget, paths: Iterable[str] | None = None) -> Copied:
        """Copy what has changed; with `paths` (absolute), only of these. Tells of progress, and of the end."""
        begun = monotonic()
        copied = await self._copy(sandbox, place).sync(paths)
        self._emit(CopyDone(sandbox.name, copied, monotonic() - begun))
        return copied

    def _copy(self, sandbox: Sandbox, place: CopyTarget | None) -> Copy:
        from sbxcompose.files.sandbox_remote import SandboxRemote  # late: most commands copy nothing
        from sbxcompose.files.transfer import Copy

        if place is None:
            return Copy(_Nothing(), "/", sources(self._project, sandbox), self._memory(), "none")
        known = self._copies.get(sandbox.name)
        if known is not None and known[0] is place.client:
            return known[1]
        copy = Copy(
            SandboxRemote(place.client),
            place.workspace,
            sources(self._project, sandbox),
            self._memory(),
            origin(self._project),
            self._progress(sandbox.name),
        )
        self._copies[sandbox.name] = (place.client, copy)
        return copy

    def _progress(self, sandbox: str) -> Callable[[TransferProgress], None]:
        return lambda progress: self._emit(CopyProgress(sandbox, progress))

    def _memory(self) -> Memory:
        from sbxcompose.files.read import Memory
        from sbxcompose.spec.cache_place import cache_directory

        directory = cache_directory(self._environ)
        name = blake2b(os.fsencode(self._project.directory), digest_size=12).hexdigest()
        return Memory(None if directory is None else Path(directory) / "files" / name)


class _Nothing:
    """A sandbox that does not exist yet: nothing is there; see `files.remote.Remote`."""

    async def read(self, path: str) -> bytes | None:
        return None

    async def fetch(self, path: str, take: object) -> bool:
        return False

    async def write(self, path: str, contents: object) -> None:
        raise SbxError(f"{path} cannot be written: the sandbox does not exist yet")

    async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
        raise SbxError(f"{arguments[0]} cannot be run: the sandbox does not exist yet")


def _to_copy(compared: CopyComparison) -> ToCopy:
    changes = compared.changes
    replaced = {*changes.send, *changes.directories}
    deleted = [*changes.deleted, *(path for path in changes.cleared if path not in replaced)]
    return ToCopy(
        files=len(changes.send),
        deleted=len(deleted),
        modes=len(changes.modes),
        folders=len(changes.directories),
        size=compared.size,
        names=((*changes.send, *changes.modes, *deleted) or changes.directories)[:5],
    )


def copied_into(project: Project, sandbox: Sandbox, info: SandboxInfo | None) -> bool:
    """Whether files are copied into the sandbox: in the cloud what `files:` says, here with `workspace: copy`."""
    here = project.provider_of(sandbox) == "local"
    if not sandbox.files or (here and not sandbox.copied):
        return False
    return not here or info is None or info.workspace_directory is not None


def sources(project: Project, sandbox: Sandbox) -> list[CopySource]:
    """Return what is copied, from where to where."""
    from sbxcompose.files.scan import CopySource

    return [
        CopySource(
            os.path.normpath(os.path.join(project.directory, folder.from_)),
            posixpath.normpath(folder.to).removeprefix(".") + ("/" if folder.to.endswith("/") else ""),
            folder.ignore,
        )
        for folder in sandbox.files
    ]


def origin(project: Project) -> str:
    """Tells this machine, user and project from others."""
    words = "\0".join((os.uname().nodename, str(os.getuid()), project.directory))
    return blake2b(os.fsencode(words), digest_size=6).hexdigest()
