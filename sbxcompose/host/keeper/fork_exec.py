"""The fork and exec of a child, as `_posixsubprocess` does it, and what can be refused before.

Measured: `_posixsubprocess.fork_exec` costs 0.35 ms up to and including the exec, of which the exec has most;
`os.fork` from a process of 10 MiB costs 0.1 ms more, `subprocess.Popen` twice as much in all.
"""

from __future__ import annotations

import _posixsubprocess
import errno
import fcntl
import os
import sys
import termios

from sbxcompose.host.keeper.explain import CannotSpawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sbxcompose.host.keeper.execution import ExecContext, Program


def check(argv: list[str], cwd: str | None) -> None:
    """Refuse what no kernel would take. Raises `CannotSpawn`."""
    if not argv or not argv[0]:
        raise CannotSpawn("the command is empty", errno.EINVAL)
    if "\0" in "".join(argv):
        raise CannotSpawn(f"an argument of {argv[0]!r} has a NUL character in it", errno.EINVAL)
    if "\0" in (cwd or ""):
        raise CannotSpawn(f"the working directory {cwd!r} has a NUL character in it", errno.EINVAL)


def fork_exec(
    program: Program,
    context: ExecContext,
    fds: list[int],
    errors: tuple[int, int],
    *,
    terminal: bool = False,
    keep: tuple[int, ...] = (),
) -> int:
    """Start a process in a session of its own; its pid. A failure in the child is written to the pipe
    `errors`.

    Only the three streams and `keep` stay open. Where no user is switched to, and no terminal made, the child
    shares our memory until the exec (vfork). Raises `CannotSpawn`.
    """
    user, group, groups = context.identity()
    preparation = _preparation(context, terminal=terminal)
    # The function is private to the standard library, takes its arguments by position alone, and has changed in 3.14.
    arguments: tuple[Any, ...] = (
        program.argv,
        program.paths,
        True,  # close what is not named: the pipes of other processes would never end if this one had them, too
        tuple(sorted((*keep, errors[1]))),  # these stay open; sorted, since the C code searches them by halves
        None if context.cwd is None else os.fsencode(context.cwd),
        [name + b"=" + value for name, value in program.environment.items()],
        *(fds[0], -1, -1, fds[1], -1, fds[2]),  # both ends of each stream; ours are close-on-exec, so -1 for them
        *errors,
        True,  # signals as they were: Python ignores SIGPIPE and SIGXFSZ, and an exec leaves that so (signal(7))
        True,  # a session of its own, so that a signal to its group reaches neither the keeper nor other processes
        -1,  # no process group: a session brings its own
        *(group, groups, user),
        context.umask,
        preparation,
    )
    if sys.version_info < (3, 14):  # where vfork has become the only way
        arguments += (True,)
    return _posixsubprocess.fork_exec(*arguments)


def _preparation(context: ExecContext, *, terminal: bool) -> Callable[[], None] | None:
    """Return what the child does before the exec; None lets it share our memory until then."""
    if not terminal and not context.needs_preparation:
        return None

    def prepare() -> None:
        context.prepare()
        if terminal:
            fcntl.ioctl(1, termios.TIOCSCTTY, 0)

    return prepare


def read_failure(read: int) -> bytes:
    """Return what the child had to say before it could exec; empty when it did. Closes the pipe's end."""
    failure = b""
    while piece := os.read(read, 4096):
        failure += piece
    os.close(read)
    return failure
