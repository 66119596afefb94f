"""The fork server of a session of tests: the product's own, with every module of the command imported, or with none.

A user's server imports only what the commonest commands need, and a fork the rest. Tests read a new file with nearly
each command, and many talk to a cloud: what these import would be most of what they cost.

Called with `bare` it has imported the packages of others, and none of our modules. Each command then imports its own,
in its own order, as it does in a Python of its own, but for a quarter of the CPU.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import pkgutil
import signal
import sys
from unittest import mock

NOT_HERE = ("sbxcompose.host", "sbxcompose.pytest_plugin", "sbxcompose.cli.mcp_server", "sbxcompose.__main__")
"""What no fork needs: the host and `mcp` are processes of their own."""
BARE = "bare"
IDLE = 86_400.0
"""Seconds without a command: a part of the tests that runs none may take longer than a user's server waits."""
_PR_SET_PDEATHSIG = 1


def names() -> list[str]:
    """Every module of the package that a command may come to need."""
    package = importlib.import_module("sbxcompose")
    found = (module.name for module in pkgutil.walk_packages(package.__path__, "sbxcompose.", _ignore))
    return [name for name in found if not name.startswith(NOT_HERE)]


def _ignore(name: str) -> None:
    """A module that cannot be imported is told by `main`."""


def forget() -> None:
    """Have our own modules imported anew by whoever needs them."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "sbxcompose"]:
        del sys.modules[name]


def end_with(parent: int) -> None:
    """Have this process end with the session of tests, which may be killed; forks do not inherit that (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # it has ended before that


def main(parent: str, kind: str = "") -> None:
    """Import everything, then become a fork server that ends with its parent."""
    end_with(int(parent))
    for name in names():
        importlib.import_module(name)
    if kind == BARE:
        forget()
    from sbxcompose.cli import warm_main
    from sbxcompose.warm import files

    # Whether a thousand files are still what they were is a third of what a fork costs, and a run of the tests is that
    # of one state of the package.
    with mock.patch.object(files, "loaded", list):
        if kind == BARE:
            with mock.patch.object(warm_main, "PRELOADED", ""):
                warm_main.main(IDLE)
        else:
            warm_main.main(IDLE)


if __name__ == "__main__":
    main(*sys.argv[1:])
