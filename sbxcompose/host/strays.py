"""Folders that a killed server has left half made, or half removed: those that have no record."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from sbxcompose.host import chores, trees
from sbxcompose.host.sandbox_rules import is_id


def sweep(directory: Path, record: str) -> None:
    """Remove the folders of `directory` that lack the file `record`; called before anything new is made there.

    A folder is made before its record, and removed in any order: what has none belongs to nobody any more.
    """
    for stray in strays(directory, record):
        chores.do(_remove(stray))


def strays(directory: Path, record: str) -> list[str]:
    """The paths of these folders. What does not have an id for a name was not put there by us."""
    try:
        folders = [each for each in os.scandir(directory) if each.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return [each.path for each in folders if is_id(each.name) and not os.path.lexists(f"{each.path}/{record}")]


async def _remove(path: str) -> None:
    with suppress(OSError):  # the next server tries again
        await asyncio.to_thread(trees.remove_tree, path)
