"""Ask before data is destroyed, if there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbxcompose.cli.context import Shell


async def confirm_replacing(shell: Shell, sandboxes: Sequence[str]) -> bool:
    """Return whether these sandboxes may be replaced; without a terminal they may not."""
    differs, it, their = ("differs", "it", "Its") if len(sandboxes) == 1 else ("differ", "them", "Their")
    what = f"{_named(sandboxes)} {differs} from the file; replace {it}? {their} data is lost."
    return can_ask() and await _is_yes(shell, what)


async def confirm_terminating(shell: Shell, sandboxes: Sequence[str]) -> bool:
    """Return whether these sandboxes may be terminated; without a terminal they may, as the option says so."""
    their = "Its" if len(sandboxes) == 1 else "Their"
    what = f"terminate {_named(sandboxes)}? {their} data and logs are lost."
    return not can_ask() or await _is_yes(shell, what)


def can_ask() -> bool:
    """Return whether a person sees a question and can answer it."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _named(sandboxes: Sequence[str]) -> str:
    return f"sandbox {sandboxes[0]}" if len(sandboxes) == 1 else f"sandboxes {', '.join(sandboxes)}"


async def _is_yes(shell: Shell, question: str) -> bool:
    from sbxcompose.engine.one_off import read_fd

    with shell.question(f"{question} [y/N] "):
        answer = b""
        try:
            async for line in read_fd(0):
                answer = line
                break
        finally:
            if not answer.endswith(b"\n"):  # else the Enter key has ended the line
                print(file=sys.stderr, flush=True)
    return answer.strip().lower() in (b"y", b"yes")
