"""Volumes of a Compose service that its process no longer finds at their place; pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator

from sbxcompose.convert.draft import ProcessDraft
from sbxcompose.convert.paths import Paths
from sbxcompose.convert.values import get, strings, text
from sbxcompose.spec.nodes import Mapping, Node, Sequence

_IS_BIND = (".", "/", "~", "$")
"""How the source of a bind mount begins; that of a named volume is a name."""


def is_named(source: str) -> bool:
    """Return whether the source of a volume is a name, and not a path."""
    return bool(source) and not source.startswith(_IS_BIND)


def add_mount_notes(
    process: ProcessDraft, node: Mapping, paths: Paths, *, is_daemon: bool, shared: Collection[str] = ()
) -> None:
    """Add a note for each volume that the process must be pointed to.

    `is_daemon`: its image has a native program. `shared`: the named volumes that several services have; another one
    of a native program holds its data.
    """
    for source, target, item in volumes_of(node):
        outside = paths.outside(target)
        if not target or posixpath.normpath(source) == posixpath.normpath(target):
            continue
        if is_daemon and is_named(source):
            if source in shared and not process.mentions(f"data/{source}"):
                process.todo("volumes", f"`{target}` is the folder data/{source} now: point the process to it", item)
        elif is_daemon:
            if outside is not None and not process.mentions(outside):
                _add_unused(process, source, target, item)
        elif is_named(source):
            process.todo("volumes", f"`{target}` is the folder data/{source} now: point the process to it", item)
        elif not _is_found(process, node, outside, target):
            process.todo("volumes", f"`{target}` is `{source}` here: point the process to it", item)


def volumes_of(node: Mapping) -> Iterator[tuple[str, str, Node]]:
    """Yield source, target and place of each volume; the source of an anonymous volume is its path."""
    volumes = node.get("volumes")
    for item in volumes.items if isinstance(volumes, Sequence) else []:
        written = text(item)
        if written is None:
            yield text(get(item, "source")) or "", text(get(item, "target")) or "", item
        else:
            source, target, *_ = *re.split(r":(?!-)", written), ""
            yield source, target, item


def _add_unused(process: ProcessDraft, source: str, target: str, item: Node) -> None:
    """Tell of a mount that the native program is not pointed to: a file of settings, or a folder with data."""
    if "." in posixpath.basename(source).strip("."):
        process.todo("volumes", f"`{source}` was mounted at `{target}`, and is not read here", item)
    elif "health" not in posixpath.basename(source):  # scripts of a check that has been replaced
        process.dropped("volumes", f"`{source}` is not used: what it holds stays there", item)


def _is_found(process: ProcessDraft, node: Mapping, outside: str | None, target: str) -> bool:
    """Return whether the process finds a folder where it lies: below its working directory, or named in its command."""
    if outside is None:
        return False
    folder = process.keys.get("workdir", "." if node.get("build") is not None else None)
    below = folder is not None and (folder == "." or f"{outside}/".startswith(f"{folder.rstrip('/')}/"))
    words = [*strings(node.get("command")), *strings(node.get("entrypoint"))]
    return below or any(target in word for word in words)
