"""`cp`: one copy, and how far it is."""

from __future__ import annotations

import asyncio
import sys

from sbxcompose.cli.async_main import run_simply
from sbxcompose.cli.context import Shell
from sbxcompose.cli.view.connection import connection_notes
from sbxcompose.cli.view.copying import copied_words
from sbxcompose.cli.view.live import Live
from sbxcompose.cli.view.status_block import StatusBlock
from sbxcompose.client.copy_files import path_in_sandbox, sides_of
from sbxcompose.clock import monotonic
from sbxcompose.engine.session import Session
from sbxcompose.files.by_hand import ByHand, CopyOptions, Moved, SandboxPath
from sbxcompose.files.progress import TransferProgress
from sbxcompose.files.sandbox_remote import SandboxRemote
from sbxcompose.files.transfer import Copied
from sbxcompose.logs.sanitize import clean_text
from sbxcompose.plan.waits import WORTH_SHOWING


def copy_by_hand(shell: Shell, source: str, target: str, how: CopyOptions, *, quiet: bool) -> int:
    """Carry out `cp`; its exit code."""
    project = shell.project()
    sides = sides_of(project, source, target)
    block = StatusBlock(shell.err.enabled, clean_text, shell.write)
    if target == "-" and sys.stdout.isatty():
        block.enabled = False  # it would be redrawn among the contents

    async def main() -> int:
        async with Session(project, emit=connection_notes(shell)) as session:
            await session.observe()
            there = path_in_sandbox(session, sides.remote)
            client = SandboxRemote(session.connections[sides.remote.sandbox].client)
            bar = CopyBar(block, sides.remote.text)
            hand = ByHand(client, how, bar.update, shell.note)
            begun = monotonic()
            try:
                moved = await (_into(hand, source, there) if sides.into else _out(hand, there, target))
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
