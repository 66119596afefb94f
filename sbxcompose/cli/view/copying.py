"""Copies in words: how far one is, and what it came to."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from sbxcompose.spec.units import short_size

if TYPE_CHECKING:
    from sbxcompose.files.transfer import Copied, Progress

CLEAR = "\r\x1b[K"
"""Empties the line of a terminal."""


def copied_words(sandbox: str, copied: Copied, seconds: float) -> str:
    """What was copied, in a line: `copied 1 204 files (38 MB) to app in 1.9 s; 3 deleted`."""
    if copied.files:
        said = f"copied {counted(copied.files, 'file')} ({short_size(copied.size)}) to {sandbox} in {seconds:.2g} s"
    else:
        said = f"changed the files of {sandbox} in {seconds:.2g} s"
    parts = [said]
    if copied.modes:
        parts.append(f"modes of {counted(copied.modes, 'file')} changed")
    if copied.deleted:
        parts.append(f"{copied.deleted} deleted")
    if copied.unsettled:
        parts.append(f"{_some(copied.unsettled)} changed all the time and will be copied the next time")
    if copied.skipped:
        parts.append(f"{_some([name for name, _ in copied.skipped])} left out: {copied.skipped[0][1]}")
    return "; ".join(parts)


def counted(count: int, noun: str) -> str:
    """`1 file`, `1 204 files`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}".replace(",", " ")


def _some(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


class ProgressLine:
    """One line of a terminal that says how things stand, written over and over; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._shown = False
        self.enabled = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        """Whether there is a terminal on which a line can be written over."""

    def draw(self, text: str) -> None:
        """Show this text, as much of it as there is room for; the end of it is somebody else's to tell."""
        if self.enabled:
            room = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"{CLEAR}{text if len(text) <= room else text[: room - 1] + '…'}")
            sys.stderr.flush()
            self._shown = True

    def show(self, target: str, progress: Progress) -> None:
        """How far a copy is."""
        if progress.size >= progress.all_size:
            return
        size = f"{short_size(progress.size)} of {short_size(progress.all_size)}"
        files = f"{counted(progress.files, 'file')} of {progress.all_files:,}".replace(",", " ")
        self.draw(f"copying to {target}: {files}, {size}")

    def clear(self) -> None:
        """Make room for another line."""
        if self._shown:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()
            self._shown = False
