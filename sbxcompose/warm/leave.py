"""Leave a fork server behind: started by a command that ran cold, for those that follow. Imports little."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

MAIN = "sbxcompose.cli.warm_main"


def behind() -> None:
    """Start a server in the background, with nothing of this command's but its environment."""
    try:
        os.posix_spawn(
            sys.executable,
            # Without a locale (`env -i`, cron, most containers) Python begins in UTF-8 mode and sets LC_CTYPE for its
            # children (PEP 538, PEP 540), which begin without that mode: all commands would differ from the server.
            [sys.executable, "-P", "-X", f"utf8={sys.flags.utf8_mode}", "-m", MAIN],
            os.environ,
            file_actions=_file_actions(),
            setsid=True,
            setsigmask=(),
            setsigdef=sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}),
        )
    except (OSError, NotImplementedError):
        return  # commands start cold, then


def _file_actions() -> list[tuple[int, ...] | tuple[int, int, str, int, int]]:
    """Return how the server's standard streams are opened, and what it must not inherit closed."""
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)
    ]
    # One by one, since before Python 3.13 posix_spawn cannot be asked to close all: an inherited pipe would keep its
    # reader waiting for as long as the server lives.
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if number > 2 and os.get_inheritable(number):
                actions.append((os.POSIX_SPAWN_CLOSE, number))
        except OSError:
            continue  # of the directory that was just read
    return actions
