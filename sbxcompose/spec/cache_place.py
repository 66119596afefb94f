"""Where what we remember between two commands is; standard library only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from sbxcompose.state_place import home


def cache_directory(environ: Mapping[str, str]) -> str | None:
    """Return the user's directory for what we remember between two commands; None if nothing is to be kept."""
    if environ.get("SBXCOMPOSE_NO_CACHE"):
        return None
    base = environ.get("XDG_CACHE_HOME") or ""
    if not os.path.isabs(base):
        if not os.path.isabs(environ.get("HOME") or ""):
            return None
        base = os.path.join(home(environ), ".cache")
    return os.path.join(base, "sbxcompose")


def own_directory(directory: str) -> bool:
    """Make the directory if it is missing; return whether it is the user's own."""
    os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    status = os.stat(directory, follow_symlinks=False)
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
