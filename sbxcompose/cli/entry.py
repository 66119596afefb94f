"""The console script's first step: answers `--version` itself, and imports the command line for all the rest."""

from __future__ import annotations

import sys

from sbxcompose import __version__


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"sbxcompose {__version__}")
        return
    from sbxcompose.cli.main import run

    sys.exit(run(sys.argv[1:]))
