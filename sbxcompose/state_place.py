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
    return os.path.join(_home(environ), ".local", "state", "sbxcompose")


def _home(environ: Mapping[str, str]) -> str:
    """Return `HOME`; a relative one would lead into the project, so then the home of the account."""
    home = environ.get("HOME", "")
    if os.path.isabs(home):
        return home
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir or "/"
    except KeyError:
        return "/"
