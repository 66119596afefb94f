"""The console script's first step: answers `--version` itself, and imports the command line for all the rest."""

from __future__ import annotations

import gc
import sys

from sbxcompose import __version__
from sbxcompose.cli.ending import written


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(written(_version if sys.argv[1:] in (["--version"], ["-V"]) else _run))


def _version() -> int:
    print(f"sbxcompose {__version__}")
    return 0


def _run() -> int:
    # Importing makes much and drops little: looking for garbage meanwhile costs a twentieth of a warm `up`.
    gc.disable()
    from sbxcompose.cli.main import run

    return run(sys.argv[1:])
