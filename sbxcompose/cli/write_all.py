"""Writing bytes to one of our standard streams, whatever it is connected to."""

from __future__ import annotations

import os
import select

from sbxcompose.logs.write import write_error


def wait_for_room(stream: int) -> None:
    """Wait until a non-blocking descriptor, whatever its number, takes more."""
    # select(2) takes no descriptor above 1023.
    room = select.poll()
    room.register(stream, select.POLLOUT)
    room.poll()


def write_all(stream: int, data: bytes) -> None:
    """Write all bytes to a descriptor of any kind. Raises `NotWritten`."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(stream, view) :]
        except BlockingIOError:
            wait_for_room(stream)
        except OSError as error:
            raise write_error(stream, error) from None
