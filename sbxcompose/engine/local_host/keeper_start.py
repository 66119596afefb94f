"""Start the keeper of a host, also ahead of the time when its host is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from sbxcompose import paths
from sbxcompose.engine.local_host import locate
from sbxcompose.errors import ProviderError, SbxError
from sbxcompose.host.keeper import hostrecord
from sbxcompose.host.keeper.options import KeeperPaths, keeper_argv

# The server speaks no TLS, and asyncio does without where there is none: less to load, and three megabytes
# less.
_SNIPPET = (
    "import sys; sys.modules['ssl'] = None; sys.path.insert(0, sys.argv.pop(1));"
    " from sbxcompose.host.server import main; main()"
)


class StartedKeeper:
    """A keeper that detaches itself once it listens, or has found that it cannot."""

    def __init__(self, tcp: int | None = None) -> None:
        """Start it; with `tcp` it listens on that port, too (0: any). Raises `ProviderError`."""
        self._read, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                keeper_command(tcp, detach=True, ready_fd=write),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[write],
                # Ctrl-C goes to all of the terminal's foreground group (termios(3)), and must not reach the host before
                # it has detached.
                start_new_session=True,
            )
        except BaseException as error:
            os.close(self._read)
            if isinstance(error, OSError):
                raise ProviderError(f"the host cannot be started: {error.strerror or error}") from error
            raise
        finally:
            # As long as this end is open, the pipe of a keeper that dies without a word never comes to its end.
            os.close(write)

    def answer(self) -> dict[str, Any]:
        """Wait until it listens, or has found that it cannot, and return what it says. Call it once."""
        with open(self._read, "rb") as pipe:
            words = pipe.readline()
        self._process.wait()  # reaps what was started here: the keeper itself lives on in a fork of it
        told: dict[str, Any] = json.loads(words) if words.strip() else {}
        return told


_ahead: StartedKeeper | None = None


def start_ahead() -> None:
    """Start a keeper if no host runs, and do not wait for it: `launch.ensure_host` does.

    Its server needs as long for its imports as a cold command for what it imports after this. What fails here fails
    there once more, and is reported there.
    """
    global _ahead
    try:
        if hostrecord.read(paths.lock_path()) is None and not locate.is_locked():
            _ahead = StartedKeeper()
    except (OSError, SbxError):
        return


def take_started_ahead() -> StartedKeeper | None:
    """Return the keeper that was started ahead, once."""
    global _ahead
    keeper, _ahead = _ahead, None
    return keeper


def keeper_command(tcp: int | None, *, detach: bool, ready_fd: int) -> list[str]:
    """Return the command line of a keeper for our state directory. Raises `ProviderError` if that cannot be used."""
    paths.state_directory()  # whatever is wrong with it is better said here
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    return keeper_argv(
        KeeperPaths(paths.socket_path(), paths.lock_path(), paths.log_path(), paths.spare_socket_path()),
        [sys.executable, "-P", "-c", _SNIPPET, root],
        detach=detach,
        tcp=tcp,
        ready_fd=ready_fd,
    )
