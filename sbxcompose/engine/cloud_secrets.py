"""The secrets with which this machine has started processes in the cloud, so that they stay masked.

A daemon that has only the contract remembers none. A file for each sandbox in the state directory, the user's alone:
lines of JSON, each a list of values. What cannot be read or written is left: it would be no reason not to start.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from sbxcompose.errors import SbxError

FOLDER = "cloud-secrets"
MOST = 256 * 1024
"""Bytes of a file after which its older half is left out: no sandbox sees that many secrets rotated."""


def recall(sandbox: str, environ: Mapping[str, str]) -> set[str]:
    """Return the values that processes of the sandbox with that id have been started with."""
    found: set[str] = set()
    with suppress(OSError):
        for line in _path(sandbox, environ).read_bytes().splitlines():
            with suppress(ValueError, TypeError):
                found.update(value for value in json.loads(line) if isinstance(value, str))
    return found


def remember(sandbox: str, values: Collection[str], environ: Mapping[str, str]) -> None:
    """Add values to those of a sandbox."""
    new = sorted(set(values) - recall(sandbox, environ) - {""})
    if not new:
        return
    from sbxcompose.file_writing import append_lines
    from sbxcompose.paths import state_directory

    with suppress(OSError, SbxError):
        state_directory(environ)
        path = _path(sandbox, environ)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        append_lines(path, json.dumps(new).encode() + b"\n", MOST)


def forget(sandbox: str, environ: Mapping[str, str]) -> None:
    """Forget a sandbox that is terminated, and its output with it."""
    with suppress(OSError):
        _path(sandbox, environ).unlink()


def _path(sandbox: str, environ: Mapping[str, str]) -> Path:
    from sbxcompose.paths import state_path

    return state_path(environ) / FOLDER / f"{quote(sandbox, safe='')}.jsonl"
