"""Where the host keeps its state and its lock, and where its socket and log are.

Everything is the user's alone: a directory that belongs to another user, or that others may read, is
refused before anything is put there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from sbxcompose.errors import SbxError
from sbxcompose.state_place import state_place

SOCKET_PATH_LIMIT = 107
"""Bytes of a Unix socket's path, without the final NUL (sockaddr_un)."""


SOCKET = "host.sock"
LOCK = "host.lock"
CLOUD_PLACES = "cloud-places"
"""The folder of the state directory with the sandboxes that were used in the cloud."""


class PathError(SbxError):
    """A directory or path of the host cannot be used. Ends a command as an unreachable provider does."""

    exit_code = 3


def state_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of sandboxes and logs, created if missing. Raises `PathError`."""
    return _private(state_path(environ), "SBXCOMPOSE_STATE_DIR")


def state_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where that directory is, whether or not it exists."""
    return Path(state_place(environ))


def cloud_places_path(project: str, directory: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file with the sandboxes that the project in that folder has used in the cloud, if it has used any."""
    from hashlib import blake2b

    digest = blake2b(f"{project}\n{directory}".encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    return state_path(environ) / CLOUD_PLACES / f"{digest}.json"


def runtime_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of socket and log, created if missing. Raises `PathError`."""
    if environ.get("SBXCOMPOSE_RUNTIME_DIR"):
        return _private(Path(environ["SBXCOMPOSE_RUNTIME_DIR"]).absolute(), "SBXCOMPOSE_RUNTIME_DIR")
    if os.path.isabs(environ.get("XDG_RUNTIME_DIR", "")):
        return _private(Path(environ["XDG_RUNTIME_DIR"], "sbxcompose"), "SBXCOMPOSE_RUNTIME_DIR")
    return _private(Path("/tmp", f"sbxcompose-{os.getuid()}"), "SBXCOMPOSE_RUNTIME_DIR")


def socket_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the host's Unix socket. Raises `PathError` where the kernel could not bind such a long path."""
    path = runtime_directory(environ) / SOCKET
    length = len(os.fsencode(path))
    if length > SOCKET_PATH_LIMIT:
        raise PathError(
            f"the path of the host's socket is too long ({length} bytes of {SOCKET_PATH_LIMIT}): {path}",
            hint="set SBXCOMPOSE_RUNTIME_DIR to a shorter directory",
        )
    return path


def spare_socket_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where the socket goes if the runtime directory no longer exists; None if that path is too long."""
    path = state_directory(environ) / SOCKET
    return path if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT else None


def lock_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file whose lock means that a host runs, and whose text tells where: there is one host for each state
    directory.
    """
    return Path(os.path.realpath(state_directory(environ)), LOCK)


def log_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return what the host itself has to say."""
    return runtime_directory(environ) / "host.log"


def _private(path: Path, variable: str) -> Path:
    """Create the directory if missing; make sure that it is the user's alone."""
    hint = f"set {variable} to a directory of your own"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            found = _behind_link(path, found, hint)
        _check_owner(path, found, hint)
        _check_mode(path, found)
    except FileExistsError:
        raise PathError(f"not a directory: {path}", hint=hint) from None
    except OSError as error:
        raise PathError(f"cannot use {path}: {_words(error)}", hint=hint) from error
    return path


def _behind_link(path: Path, link: os.stat_result, hint: str) -> os.stat_result:
    """Return what a symbolic link leads to. One that another user made, in /tmp say, is not followed."""
    _check_owner(path, link, hint)
    return os.stat(path)


def _check_owner(path: Path, found: os.stat_result, hint: str) -> None:
    if found.st_uid != os.getuid():
        raise PathError(f"{path} belongs to another user (uid {found.st_uid})", hint=hint)


def _check_mode(path: Path, found: os.stat_result) -> None:
    # Not mended silently: the variable may name a directory that is others' business too, such as /tmp.
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise PathError(f"{path} is open to other users (mode {mode:04o})", hint=f"chmod 700 {path}")


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
