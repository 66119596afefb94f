"""Which sandboxes of a project this machine has used in the cloud, so that one which its file no longer has there is
not forgotten.

A file for each project's folder in the state directory: the name of each sandbox, its name at the provider, and the
place and namespace. What cannot be read or written is left: it would be no reason not to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import DecodeError, Struct, json

from sbxcompose.errors import SbxError
from sbxcompose.file_writing import replace_file
from sbxcompose.paths import CLOUD_PLACES, cloud_places_path, state_directory, state_path


class CloudPlace(Struct, frozen=True):
    """Where a sandbox was: its name at the provider, and `Provider.scope`."""

    full_name: str
    scope: str


Places = dict[str, CloudPlace]
"""By the name in the file."""


def recall(project: str, directory: str, environ: Mapping[str, str]) -> Places:
    """Return the sandboxes of the project in that folder which have been used and not terminated from here."""
    return _places(_read(cloud_places_path(project, directory, environ)))


def projects(environ: Mapping[str, str]) -> dict[str, Places]:
    """Return all of them, by project."""
    found: dict[str, Places] = {}
    with suppress(OSError):
        for path in sorted((state_path(environ) / CLOUD_PLACES).glob("*.json")):
            value = _read(path)
            if places := _places(value):
                found.setdefault(str(value.get("project")), {}).update(places)
    return found


def note(project: str, directory: str, environ: Mapping[str, str], changes: Mapping[str, CloudPlace | None]) -> None:
    """Remember sandboxes that are used, and forget those for which `changes` has None."""
    if not changes:
        return
    path = cloud_places_path(project, directory, environ)
    before = _places(_read(path))
    after = {name: place for name, place in {**before, **changes}.items() if place is not None}
    if after == before:
        return
    with suppress(OSError, SbxError):
        if not after:
            path.unlink()
            return
        state_directory(environ)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        sandboxes = {name: [place.full_name, place.scope] for name, place in after.items()}
        replace_file(path, json.encode({"project": project, "sandboxes": sandboxes}))


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, DecodeError):
        value = json.decode(path.read_bytes())
        if isinstance(value, dict):
            return value
    return {}


def _places(value: Mapping[str, Any]) -> Places:
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        return {name: CloudPlace(str(full), str(scope)) for name, (full, scope) in value["sandboxes"].items()}
    return {}
