"""Folders that a killed server has left half made, or half removed: those that have no record."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from sbxcompose.host.base import damage, trees
from sbxcompose.host.base.ids import is_id
from sbxcompose.tasks import TaskOwner


def sweep(directory: Path, record: str, tasks: TaskOwner) -> None:
    """Remove the folders of `directory` that lack the file `record`; called before anything new is made there.

    A folder is made before its record, and removed in any order: what has none is left over.
    """
    # Listed now and removed later: what is made meanwhile, and has no record yet, is not among them.
    for stray in leftover_folders(directory, record):
        tasks.start(_remove(stray))


def leftover_folders(directory: Path, record: str) -> list[str]:
    """Return the paths of these folders. What does not have an id for a name was not put there by us."""
    paths = [f"{directory}/{name}" for name in damage.names_in(directory) if is_id(name)]
    folders = [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]
    return [path for path in folders if not os.path.lexists(f"{path}/{record}")]


async def _remove(path: str) -> None:
    with suppress(OSError):  # the next server tries again
        await asyncio.to_thread(trees.remove_tree, path)
