"""Where the directory of sandboxes and logs is; imports nothing that takes long, for completion."""

from __future__ import annotations

import os
from collections.abc import Mapping


def state_place(environ: Mapping[str, str]) -> str:
    """Return the path of the state directory, whether or not it exists."""
    if environ.get("SBXCOMPOSE_STATE_DIR"):
        return os.path.join(os.getcwd(), environ["SBXCOMPOSE_STATE_DIR"])
    if os.path.isabs(environ.get("XDG_STATE_HOME", "")):
        return os.path.join(environ["XDG_STATE_HOME"], "sbxcompose")
    return os.path.join(home(environ), ".local", "state", "sbxcompose")


def home(environ: Mapping[str, str]) -> str:
    """Return `HOME`, or the home of the account where that is relative and would lead into the project, or is the
    home of another user, as `sudo` leaves it: what root makes there, that user could not use.
    """
    found = environ.get("HOME", "")
    if os.path.isabs(found) and not (os.geteuid() == 0 and _is_of_another(found)):
        return found
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir or "/"
    except KeyError:
        return "/"


def _is_of_another(directory: str) -> bool:
    try:
        return os.stat(directory).st_uid != 0
    except OSError:
        return False
