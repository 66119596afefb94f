"""What the variables of Docker Compose are here. They are not read: they are meant for a `compose.yaml`, and may stand
in the same `.env`. `doctor` names them, and an error that one of them explains does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sbxcompose.errors import InvalidSpec, SbxError, SpecNotFound

_FILE, _PROFILES, _ENV_FILES = "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES"
_SAME = (_FILE, "COMPOSE_PROJECT_NAME", _PROFILES, _ENV_FILES)
COUNTERPARTS = {
    **{name: f"`SBX{name}` is read here" for name in _SAME},
    "COMPOSE_ANSI": "`NO_COLOR=1` turns colors off here",
    "COMPOSE_DISABLE_ENV_FILE": "`SBXCOMPOSE_ENV_FILES=/dev/null` reads no `.env`",
    "COMPOSE_PATH_SEPARATOR": "the files of `SBXCOMPOSE_FILE` are separated by colons",
    "COMPOSE_REMOVE_ORPHANS": "`up --remove-orphans` stops orphans here",
    **dict.fromkeys(
        (f"COMPOSE_{name}" for name in ("IGNORE_ORPHANS", "PARALLEL_LIMIT", "PROGRESS", "STATUS_STDOUT", "MENU")),
        "it has no counterpart here",
    ),
}
"""By variable, what does the same."""


def found_in(environ: Mapping[str, str], dotenv: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables of Docker Compose that are set, each with what does the same; not one of which that is set
    as well.
    """
    names = {name for name in (*environ, *dotenv) if name in COUNTERPARTS}
    return {name: COUNTERPARTS[name] for name in sorted(names) if f"SBX{name}" not in environ}


def names_in(path: str) -> list[str]:
    """Return the variables of Docker Compose that a `.env` sets; none if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return re.findall(r"^\s*(?:export\s+)?(COMPOSE_[A-Z_]+)=", file.read(1 << 16), re.MULTILINE)
    except OSError:
        return []


def explain(error: SbxError, environ: Mapping[str, str]) -> str | None:
    """Return a hint if a variable of Docker Compose that is set has led to the error: it is not read here."""
    name = _suspect(error)
    if name is None or name not in found_in(environ):
        return None
    return f"`{name}` is a variable of Docker Compose; {COUNTERPARTS[name]}"


def _suspect(error: SbxError) -> str | None:
    """Return the variable that would explain an error."""
    if isinstance(error, SpecNotFound):
        return _FILE
    if isinstance(error, InvalidSpec):
        return _ENV_FILES if any("is not set" in mistake.message for mistake in error.mistakes) else None
    from sbxcompose.plan.scope import NothingSelected

    return _PROFILES if isinstance(error, NothingSelected) else None
