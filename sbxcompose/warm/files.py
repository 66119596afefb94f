"""Whether the files that a server was imported from are still what they were: an upgrade, an edit, a removal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

Stamp = tuple[int, int, int]
"""Inode, size and time of change (ns)."""


def loaded() -> list[str]:
    """Return the files of all loaded modules that are not the interpreter's own."""
    library = os.path.dirname(os.__file__)
    found = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return sorted({path for path in found if isinstance(path, str) and not _is_of(library, path)})


def _is_of(library: str, path: str) -> bool:
    """Return whether a file belongs to the standard library, and not to a package that is installed inside of it."""
    return path.startswith(library + os.sep) and "-packages" + os.sep not in path[len(library) :]


def stamps(paths: Iterable[str]) -> dict[str, Stamp | None]:
    """Return what the files are now; None for one that is not there."""
    found: dict[str, Stamp | None] = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found[path] = None
        else:
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def newest(found: Mapping[str, Stamp | None]) -> int:
    """Return the latest time of change (ns)."""
    return max((stamp[2] for stamp in found.values() if stamp is not None), default=0)
