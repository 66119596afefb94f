"""Ask before data is destroyed, if there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbxcompose.cli.context import Shell


async def confirm(shell: Shell, sandboxes: Sequence[str]) -> bool:
    """Return whether these sandboxes may be replaced: the answer `y` on a terminal; without a terminal they may not."""
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    from sbxcompose.engine.one_off import read_fd

    what = f"sandbox {sandboxes[0]}" if len(sandboxes) == 1 else f"sandboxes {', '.join(sandboxes)}"
    differs, it = ("differs", "it") if len(sandboxes) == 1 else ("differ", "them")
    with shell.question(f"{what} {differs} from the file; replace {it}? Their data is lost. [y/N] "):
        answer = b""
        try:
            async for line in read_fd(0):
                answer = line
                break
        finally:
            if not answer.endswith(b"\n"):  # else the Enter key has ended the line
                print(file=sys.stderr, flush=True)
    return answer.strip().lower() in (b"y", b"yes")
