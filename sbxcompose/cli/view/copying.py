"""Copies in words: how far one is, and what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sbxcompose.plurals import counted
from sbxcompose.spec.units import short_size

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sbxcompose.files.transfer import Copied, TransferProgress


def copied_words(sandbox: str, copied: Copied, seconds: float) -> str:
    """Return what was copied, in a line: `copied 1 204 files (38 MB) to app in 1.9 s; 3 deleted`."""
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
        parts.append(f"{_some(copied.unsettled)} kept changing and will be copied next time")
    if copied.skipped:
        parts.append(f"{_some([name for name, _ in copied.skipped])} left out: {copied.skipped[0][1]}")
    return "; ".join(parts)


def _some(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def copied_so_far(progress: TransferProgress) -> str:
    """`3 files of 1 000, 1.0 MB of 10 MB`."""
    size = f"{short_size(progress.size)} of {short_size(progress.all_size)}"
    if progress.out:
        return size
    files = f"{counted(progress.files, 'file')} of {progress.all_files:,}".replace(",", " ")
    return f"{files}, {size}"


def copy_bar(target: str, progress: TransferProgress) -> RenderableType:
    """Return how far a copy is: a bar with files and sizes."""
    from rich.cells import cell_len
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    way = f"copying {'from' if progress.out else 'to'} {target}"
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, overflow="ellipsis", min_width=min(cell_len(way), 30))
    table.add_column(width=10)
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
    table.add_row(way, ProgressBar(progress.all_size, progress.size, width=10), copied_so_far(progress))
    return table
