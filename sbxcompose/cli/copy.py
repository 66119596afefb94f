"""`cp`: which side is which, and one copy."""

from __future__ import annotations

import asyncio
import posixpath
import re
import sys

from msgspec import Struct

from sbxcompose.cli.async_main import run_simply
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.copying import copied_words
from sbxcompose.cli.view.live import Live
from sbxcompose.cli.view.status_block import StatusBlock
from sbxcompose.client.commands import running_sandbox
from sbxcompose.clock import monotonic
from sbxcompose.engine.requests import working_directory, workspace
from sbxcompose.engine.session import Session
from sbxcompose.errors import UsageError
from sbxcompose.files.by_hand import ByHand, CopyOptions, Moved, SandboxPath
from sbxcompose.files.progress import TransferProgress
from sbxcompose.files.sandbox_remote import SandboxRemote
from sbxcompose.files.transfer import Copied
from sbxcompose.logs.sanitize import clean_text
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.waits import WORTH_SHOWING
from sbxcompose.spec.project import Project
from sbxcompose.spec.similar import similar

_REMOTE = re.compile(r"(@?[A-Za-z0-9_-]+(?:/@?[A-Za-z0-9_-]+)?(?:\.[0-9]+)?):(.*)", re.DOTALL)


class RemoteSide(Struct, frozen=True):
    """A side that is in a sandbox: `sandbox` is its name in the file, `process` the one that was named, if any."""

    sandbox: str
    process: str | None
    path: str
    text: str


def copy_by_hand(shell: Shell, source: str, target: str, how: CopyOptions, *, quiet: bool) -> int:
    """Carry out `cp`; its exit code."""
    project = shell.project()
    out, into = side(project, source), side(project, target)
    if (out is None) == (into is None):
        what = "both" if out is not None else "neither"
        raise UsageError(
            f"{what} of `{source}` and `{target}` is in a sandbox", hint="write one of them as `NAME:PATH`"
        )
    remote = out or into
    assert remote is not None
    block = StatusBlock(shell.err.enabled, clean_text, shell.write)
    if target == "-" and sys.stdout.isatty():
        block.enabled = False  # it would be redrawn among the contents

    async def main() -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            await session.observe()
            there = _there(session, remote)
            client = SandboxRemote(session.connections[remote.sandbox].client)
            bar = CopyBar(block, remote.text)
            hand = ByHand(client, how, bar.update, shell.note)
            begun = monotonic()
            try:
                moved = await (_out(hand, there, target) if out is not None else _into(hand, source, there))
            finally:
                bar.close()
            if moved is not None and not quiet:
                words = copied_words(target, Copied(moved.files, size=moved.size), monotonic() - begun)
                shell.echo(words)
        return 0

    return run_simply(main)


class CopyBar:
    """Shows how far a copy is, once it has taken long enough for that to be read."""

    def __init__(self, block: StatusBlock, target: str) -> None:
        self._block = block
        self._target = target
        self._latest: TransferProgress | None = None
        self._shown = False
        self._timer = asyncio.get_running_loop().call_later(WORTH_SHOWING, self._show)

    def update(self, progress: TransferProgress) -> None:
        """Show this progress, or note it until the bar is shown."""
        self._latest = progress
        if self._shown:
            self._block.draw_copy(self._target, progress)

    def _show(self) -> None:
        self._shown = True
        if self._latest is not None:
            self._block.draw_copy(self._target, self._latest)

    def close(self) -> None:
        """Clear the bar."""
        self._timer.cancel()
        self._shown = False
        self._block.draw(Live())


def side(project: Project, text: str) -> RemoteSide | None:
    """Return the side that `text` means; None for one on this machine. Raises as `ProcessNames.resolve`.

    Something with a slash or a dot before its colon (`./a:b`) is a path of this machine.
    """
    found = _REMOTE.fullmatch(text)
    if found is None:
        return None
    name, path = found.groups()
    if any(sandbox.name == name for sandbox in project.sandboxes):
        return RemoteSide(name, None, path, text)
    names = ProcessNames(project)
    try:
        target = names.resolve(name)
    except UsageError as error:
        close = similar(name, [sandbox.name for sandbox in project.sandboxes], 1)
        if close:
            raise UsageError(f"no sandbox and no process named `{name}`", hint=f"did you mean `{close[0]}`?") from error
        raise
    return RemoteSide(target.sandbox, target.process, path, text)


def _there(session: Session, remote: RemoteSide) -> SandboxPath:
    """Return the absolute path that is meant."""
    running_sandbox(session, remote.sandbox)
    project = session.project
    sandbox = next(sandbox for sandbox in project.sandboxes if sandbox.name == remote.sandbox)
    process = project.process(remote.sandbox, remote.process) if remote.process is not None else None
    base = workspace(project, sandbox) if process is None else working_directory(project, sandbox, process)
    return SandboxPath(posixpath.join(base, remote.path or "."), remote.text)


async def _into(hand: ByHand, source: str, there: SandboxPath) -> Moved | None:
    if source != "-":
        return await hand.put(source, there)
    data = sys.stdin.buffer.read()
    if (await hand.probe(there)).kind == "dir" or there.path.endswith("/"):
        await hand.put_archive(data, there)
        return None
    return await hand.put_contents(data, there)


async def _out(hand: ByHand, there: SandboxPath, target: str) -> Moved | None:
    if target != "-":
        return await hand.get(there, target)
    await hand.get_contents(there, sys.stdout.buffer.write)
    sys.stdout.buffer.flush()
    return None
