"""The fork server of a session of tests: the product's own, with every module of the command imported.

A user's server imports only what the commonest commands need, and a fork the rest. Tests read a new file with nearly
each command, and many talk to a cloud: what these import would be most of what they cost.
"""

from __future__ import annotations

import importlib
import pkgutil

import sbxcompose
from sbxcompose.cli import warm_main

NOT_HERE = ("sbxcompose.host", "sbxcompose.pytest_plugin", "sbxcompose.cli.mcp_server", "sbxcompose.__main__")
"""What no fork needs: the host and `mcp` are processes of their own."""


def names() -> list[str]:
    """Every module of the package that a command may come to need."""
    found = (module.name for module in pkgutil.walk_packages(sbxcompose.__path__, "sbxcompose.", _ignore))
    return [name for name in found if not name.startswith(NOT_HERE)]


def _ignore(name: str) -> None:
    """A module that cannot be imported is told by `main`."""


def main() -> None:
    """Import everything, then become a fork server."""
    for name in names():
        importlib.import_module(name)
    warm_main.main()


if __name__ == "__main__":
    main()
