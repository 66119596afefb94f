"""The console script's first step: answers `--version` itself, and goes to the fork server or imports the rest."""

from __future__ import annotations

import gc
import os
import sys

from sbxcompose.cli import standard_streams
from sbxcompose.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run the command line and exit with its code."""
    if os.name != "posix":
        print("error: sbxcompose does not support Windows", file=sys.stderr)
        print("hint: install and run it in the Windows Subsystem for Linux (WSL)", file=sys.stderr)
        sys.exit(3)
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.exit(code_of(_version))
    if "_SBXCOMPOSE_COMPLETE" in os.environ:
        sys.exit(code_of(_complete))
    leave_server = _try_warm()
    code = code_of()
    if leave_server:
        from sbxcompose.warm import leave

        leave.behind()
    sys.exit(code)


def code_of(command: Callable[[], int] | None = None) -> int:
    """Run a command (by default what the arguments say) and return its exit code, once all output is written."""
    try:
        standard_streams.prepare()
        return standard_streams.flushed(command or _run)
    except KeyboardInterrupt:  # while importing; later the commands deal with it
        print("interrupted", file=sys.stderr)
        return 130


def _try_warm() -> bool:
    """Run the command in a fork of the fork server and exit; else return whether to leave a server behind."""
    try:
        from sbxcompose.warm import client

        return client.run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _version() -> int:
    print(f"sbxcompose {__version__}")
    return 0


def _complete() -> int:
    """Answer the script of a shell, without a fork server: it is not faster than this."""
    from sbxcompose.cli.quick_completion import print_answer

    return print_answer()


def _run() -> int:
    _restore_interrupts()
    # Importing makes much and drops little: looking for garbage meanwhile costs a twentieth of a warm `up`.
    gc.disable()
    from sbxcompose.cli.main import run

    return run(sys.argv[1:])


def _restore_interrupts() -> None:
    """React to SIGINT also as a script's background job, for which shells ignore it: `sbxcompose up & kill -INT $!`.

    An ignored SIGHUP stays ignored: that is what `nohup` asks for.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
