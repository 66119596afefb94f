"""Keys of a process that are defined in one place: as fields of `spec.project.Process` with a `msgspec.Meta`.

The model that validates the file, the schema, the table in `docs/spec.md`, the digest and what `config` prints are made
from it: `description`, the bounds of numbers and, in `extra`, `new_run`. With that, a change restarts a running
process, because the key is part of the digest (where it is not as by default). Only keys whose form in the file depends
on more than their type are written out in `spec.process_models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from msgspec import Meta


@cache
def keys_of(struct: type) -> Mapping[str, tuple[Any, Meta]]:
    """Return the type and the definition of each field that is defined in one place."""
    found = {}
    for name, hint in get_type_hints(struct, include_extras=True).items():
        kind, meta = without_meta(hint)
        if meta is not None and meta.description is not None:
            found[name] = (kind, meta)
    return found


def without_meta(hint: Any) -> tuple[Any, Meta | None]:
    """Return a type and its `Meta`, if it has one."""
    if get_origin(hint) is not Annotated:
        return hint, None
    kind, *extras = get_args(hint)
    return kind, next((extra for extra in extras if isinstance(extra, Meta)), None)


def needs_new_run(meta: Meta) -> bool:
    """Return whether a change of the key restarts a running process."""
    return bool((meta.extra or {}).get("new_run"))
