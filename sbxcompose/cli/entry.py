"""The console script's first step: answers `--version` itself, and imports the command line for all the rest."""

from __future__ import annotations

import gc
import sys

from sbxcompose import __version__


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"sbxcompose {__version__}")
        return
    # Importing makes much and drops little: looking for garbage meanwhile costs a twentieth of a warm `up`.
    gc.disable()
    from sbxcompose.cli.main import run

    sys.exit(run(sys.argv[1:]))
