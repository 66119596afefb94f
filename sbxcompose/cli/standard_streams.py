"""Our three standard streams, made safe to use whatever the caller has made of them."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO


def prepare() -> None:
    """Open what is closed, make every character printable, and turn failed writes into errors of our tree.

    A closed descriptor becomes /dev/null, as in git: the next file or socket that we open would take its number, and
    would be written to by whoever prints. What cannot be encoded (ASCII, Latin-1) is escaped instead of being an error.
    """
    for fd in (0, 1, 2):
        _open_if_closed(fd)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = _writer(sys.stdout, _Output(1, "w", closefd=False))
    sys.stderr = _writer(sys.stderr, _Talk(2, "w", closefd=False))


def flushed(command: Callable[[], int]) -> int:
    """Return the exit code of `command`, once everything that it has printed is written.

    141 when it has no reader; 1, with a message, when it cannot be written.
    """
    try:
        code = command()
        sys.stdout.flush()
        return code
    except Exception as error:
        from sbxcompose.errors import NotWritten, ReaderGone

        if not isinstance(error, NotWritten):
            raise
        # Python flushes once more when it exits, and would complain in its own words.
        discard(1)
        if not isinstance(error, ReaderGone):
            print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code


def discard(fd: int) -> None:
    """Let everything that is still written to a descriptor go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, fd)
    os.close(nowhere)


def _open_if_closed(fd: int) -> None:
    try:
        os.fstat(fd)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number: all below `fd` are open
        os.set_inheritable(opened, True)


def _writer(before: TextIO | None, raw: io.FileIO) -> TextIO:
    """Return a text stream over `raw` with the encoding of the one that it replaces."""
    interactive = raw.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=interactive or raw.fileno() == 2,
    )


class _Output(io.FileIO):
    """Standard output: what cannot be written ends the command, as `NotWritten`."""

    def write(self, data: Any) -> int:
        try:
            return _write(super().write, self.fileno(), data)
        except OSError as error:
            from sbxcompose.logs.write import write_error

            raise write_error(self.fileno(), error) from None


class _Talk(io.FileIO):
    """Standard error: what cannot be written is lost, and ends nothing that was begun."""

    def write(self, data: Any) -> int:
        try:
            return _write(super().write, self.fileno(), data)
        except OSError:
            return len(data)


def _write(write: Callable[[Any], int | None], fd: int, data: Any) -> int:
    """Write some of the data, waiting for room where the descriptor is non-blocking."""
    while True:
        written = write(data)
        if written is not None:
            return written
        from sbxcompose.cli.write_all import wait_for_room

        wait_for_room(fd)
