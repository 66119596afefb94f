"""What could not be resolved when a project was read, and which processes need it; pure.

A variable without a value, or an `env_file` that cannot be read, is an error only of what would start a process that
needs it: whoever looks or stops needs neither, nor does `up` of other processes.
"""

from __future__ import annotations

from typing import Any

from sbxcompose.spec.extends import MAIN
from sbxcompose.spec.unresolved_part import ScopeOfMistake

Path = tuple[str | int, ...]
_PROCESS_DEFAULTS = frozenset({"env", "env_file"})
"""Keys at the top of the file that only processes need."""
_NEEDED_TO_FIND = frozenset({"name", "workspace"})
"""Keys of a sandbox without which it is not found."""


def scope_of(path: Path) -> ScopeOfMistake | None:
    """Who needs the value at that place of the file; None if even a command that only looks does."""
    match path:
        case ("sandboxes", str(sandbox), "processes", str(process), *_):
            return sandbox, process
        case ("processes", str(process), *_):
            return MAIN, process
        case ("sandboxes", str(sandbox), str(key), *_) if key not in (*_NEEDED_TO_FIND, "processes"):
            return sandbox, None
        case (str(key), *_) if key in _PROCESS_DEFAULTS:
            return None, None
    return None


def level_of(path: Path) -> ScopeOfMistake | None:
    """Return the sandbox or process whose own keys stand at that place; None if it is another place."""
    match path:
        case ("sandboxes", str(sandbox), "processes", str(process)):
            return sandbox, process
        case (
            "processes",
            str(process),
        ):
            return MAIN, process
        case ("sandboxes", str(sandbox)):
            return sandbox, None
    return None


def leave_out(values: Any, path: Path) -> None:
    """Take the key that holds an unresolved value out of `values`, so that the rest can be validated.

    A command stays as it is written, since a process must have one.
    """
    depth = {"sandboxes": 4 if len(path) > 2 and path[2] == "processes" else 2, "processes": 2}.get(str(path[0]), 0)
    if len(path) <= depth or path[depth] == "command":
        return
    for key in path[:depth]:
        values = values[key]
    values.pop(path[depth], None)
