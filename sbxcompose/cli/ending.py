"""How a command ends when its standard output cannot take what it has to say."""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READER_GONE = 141
"""As a shell says it of a command that SIGPIPE killed: 128 + 13."""
NOT_WRITTEN = 1
UNWRITABLE = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What writing to standard output fails with, when it is not our fault."""


def written(speak: Callable[[], int]) -> int:
    """What `speak` returns, once all that it has written is out; 141 when nobody reads it, 1 when there is no room.

    Python would otherwise try again when it ends, and complain in words of its own.
    """
    try:
        code = speak()
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _give_up()
        return READER_GONE
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        _give_up()
        print(f"error: cannot write to standard output: {(error.strerror or '').lower()}", file=sys.stderr)
        return NOT_WRITTEN


def _give_up() -> None:
    """What is still in the buffer goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
