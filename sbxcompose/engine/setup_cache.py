"""Which snapshot holds a sandbox whose set-up is done (`setup_cache: snapshot`), by what that depends on.

The contract gives snapshots no names, so this machine remembers their ids: a file in the state directory, the user's
alone. It is only a cache: what is not there, or cannot be read, is made again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sbxcompose.errors import SbxError
from sbxcompose.spec.project import Sandbox

if TYPE_CHECKING:
    from typing import Any

FILE = "setup-snapshots.json"
KEPT = 3
"""Snapshots of one sandbox that are kept, for files that change back and forth; older ones are to be deleted."""


def setup_digest(sandbox: Sandbox) -> str | None:
    """Return a hash over what the set-up of a sandbox leads to; None if it is not to be cached, or there is none."""
    setup = setup_digests(sandbox)
    if sandbox.setup_cache != "snapshot" or not setup:
        return None
    from hashlib import sha256  # late: it costs milliseconds, and few sandboxes are cached

    form = [sandbox.image, sandbox.snapshot, sandbox.workspace, sandbox.isolation, *setup]
    return sha256(json.dumps(form).encode()).hexdigest()[:16]


def setup_digests(sandbox: Sandbox) -> list[str]:
    """Return the digests of the set-up commands, in order."""
    return [process.digest for process in sandbox.processes if process.is_setup]


class SetupCache:
    """The snapshots of one provider; `scope` tells it from others."""

    def __init__(self, scope: str, environ: Mapping[str, str]) -> None:
        self._scope = scope
        self._environ = environ

    def find(self, sandbox: Sandbox) -> str | None:
        """Return the id of the snapshot in which the set-up of the sandbox is done."""
        digest = setup_digest(sandbox)
        if digest is None:
            return None
        known = self._entries(self._read(), sandbox)
        return next((entry["snapshot"] for entry in reversed(known) if entry["digest"] == digest), None)

    def add(self, sandbox: Sandbox, snapshot: str) -> list[str]:
        """Remember a snapshot; return the ids of those that are to be deleted, and forgotten, for it."""
        everything = self._read()
        digest = setup_digest(sandbox)
        known = self._entries(everything, sandbox)
        others = [entry["snapshot"] for entry in known if entry["digest"] != digest]
        kept = {snapshot, *others[-(KEPT - 1) :]}
        known.append({"digest": digest, "snapshot": snapshot})
        everything[self._key(sandbox)] = known
        self._write(everything)
        return [entry["snapshot"] for entry in known if entry["snapshot"] not in kept]

    def forget(self, sandbox: Sandbox, snapshot: str) -> None:
        """Drop a snapshot that no longer exists."""
        everything = self._read()
        known = self._entries(everything, sandbox)
        everything[self._key(sandbox)] = [entry for entry in known if entry["snapshot"] != snapshot]
        self._write(everything)

    def _key(self, sandbox: Sandbox) -> str:
        return f"{self._scope} {sandbox.full_name}"

    def _entries(self, everything: dict[str, Any], sandbox: Sandbox) -> list[dict[str, Any]]:
        known = everything.get(self._key(sandbox))
        return [entry for entry in known if isinstance(entry, dict)] if isinstance(known, list) else []

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(_path(self._environ).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, everything: dict[str, Any]) -> None:
        from sbxcompose.file_writing import replace_file
        from sbxcompose.paths import state_directory

        # Without a lock: when two commands write at once one entry may be lost, and its set-up is made again.
        with suppress(OSError, SbxError):
            state_directory(self._environ)
            known = {key: value for key, value in everything.items() if value}
            replace_file(_path(self._environ), json.dumps(known).encode())


def _path(environ: Mapping[str, str]) -> Path:
    from sbxcompose.paths import state_path

    return state_path(environ) / FILE
