"""Where the sockets of fork servers are. Imports nothing: every command comes by here."""

from __future__ import annotations

import os
import sys
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "SBXCOMPOSE_WARM"
FOLDER = "warm"
SUFFIX = ".sock"
UNFINISHED = ".new"
"""Ends the name of a socket that does not listen yet: a command removes a socket that refuses."""
# sockaddr_un has 108 bytes for it, with a NUL at the end (unix(7)).
SOCKET_PATH_LIMIT = 107


def is_off(environ: Mapping[str, str]) -> bool:
    """Return whether the user has switched fork servers off, or the system has none."""
    return sys.platform != "linux" or environ.get(VARIABLE, "").lower() in ("no", "off", "0", "false")


def may_start(environ: Mapping[str, str]) -> bool:
    """Return whether a command may leave a server behind: not in a directory that was named for those there are."""
    return not environ.get(VARIABLE, "").startswith("/")


def directory(environ: Mapping[str, str]) -> str:
    """Return the directory of the sockets: `warm` in the runtime directory, or the absolute path in `SBXCOMPOSE_WARM`.

    The runtime directory is found as in `paths.runtime_directory`, which imports too much for here.
    """
    chosen = environ.get(VARIABLE, "")
    if chosen.startswith("/"):
        return chosen
    return os.path.join(runtime_directory(environ), FOLDER)


def runtime_directory(environ: Mapping[str, str]) -> str:
    """Return the directory of the host's socket, whether or not it exists."""
    own = environ.get("SBXCOMPOSE_RUNTIME_DIR")
    if own:
        return os.path.abspath(own)
    shared = environ.get("XDG_RUNTIME_DIR", "")
    return os.path.join(shared, "sbxcompose") if shared.startswith("/") else f"/tmp/sbxcompose-{os.getuid()}"


def socket_path(folder: str, circumstances: Mapping[str, str]) -> str:
    """Return the socket of the server that runs in these circumstances."""
    # A name as short as this may be that of other circumstances, too: the server compares those themselves.
    text = "\0".join(f"{name}={circumstances[name]}" for name in sorted(circumstances))
    return f"{folder}/{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}{SUFFIX}"


def is_private(path: str) -> bool:
    """Return whether a directory is the user's own and closed to all others; a symbolic link is not followed."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    # Who may write there could listen in a server's place, and be given the terminal and the environment.
    is_directory = found.st_mode & 0o170000 == 0o040000
    return is_directory and found.st_uid == os.getuid() and not found.st_mode & 0o077
