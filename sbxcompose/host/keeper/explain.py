"""Why a process could not be started, in words that name the thing. Runs only after a failure."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_DIRECTORY_ERRORS = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)


class CannotSpawn(Exception):
    """A process could not be started."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.message = message
        self.errno = number


def candidates(command: str, environment: dict[str, str]) -> list[str]:
    """Return the files that a command may mean, by the `PATH` of the process itself; relative ones to its directory."""
    if "/" in command:
        return [command]
    # An empty entry is the current directory (POSIX, 8.3), which is that of the process here.
    return [
        os.path.join(directory, command) if directory else f"./{command}"
        for directory in environment.get("PATH", DEFAULT_PATH).split(":")
    ]


def explain(
    failure: bytes, request: dict[str, Any], environment: dict[str, str], *, inside: bool = False
) -> CannotSpawn:
    """Read what the child left of its failure ("OSError:<hex errno>:<where>") and look at the cause.

    `inside` an isolated sandbox the files that this process can look at are others.
    """
    kind, _, rest = failure.partition(b":")
    where = rest.partition(b":")[2]
    if inside and not failure:
        return CannotSpawn(f"cannot start {request['argv'][0]} in the sandbox: its start was interrupted", errno.EIO)
    # What fails in the child before the exec, and is no step of `_posixsubprocess` itself, it calls SubprocessError.
    if kind != b"OSError":
        thing = "its terminal" if request.get("pty") else "the limits of its sandbox"
        return CannotSpawn(f"cannot give {request['argv'][0]} {thing}", errno.EIO)
    code = errno_of(failure)
    if where.startswith(b"enter"):
        return CannotSpawn(f"cannot enter the sandbox: {os.strerror(code).lower()}", code)
    if where.startswith(b"noexec"):
        return CannotSpawn(_before_exec(code, request), code)
    return CannotSpawn(_at_exec(code, request, environment, inside=inside), code)


def errno_of(failure: bytes) -> int:
    """Return the error number in what a child left of its failure; 0 where there is none."""
    kind, _, rest = failure.partition(b":")
    return int(rest.partition(b":")[0], 16) if kind == b"OSError" else 0


def _before_exec(code: int, request: dict[str, Any]) -> str:
    cwd = request["cwd"]
    # Of a network or FUSE file system chdir(2) fails in more ways; without a user to become nothing else is left.
    if cwd is not None and (code in _DIRECTORY_ERRORS or request["uid"] is None):
        words = {errno.ENOENT: "no such directory", errno.ENOTDIR: "not a directory"}
        return f"{words.get(code, os.strerror(code).lower())}: {cwd}"
    return f"cannot become user {request['uid']}: {os_error_text(code)}"


def _at_exec(code: int, request: dict[str, Any], environment: dict[str, str], *, inside: bool) -> str:
    command = request["argv"][0]
    base = request["cwd"] or "/"
    if code == errno.E2BIG:
        # As the kernel counts: each string has a NUL at its end.
        size = sum(len(os.fsencode(argument)) + 1 for argument in request["argv"])
        size += sum(len(os.fsencode(name)) + len(os.fsencode(text)) + 2 for name, text in environment.items())
        return f"argument list too long: {command} ({size} bytes of arguments and environment)"
    # The child has tried them in this order, and does not tell of which file its error is: the first that is there.
    for candidate in () if inside else candidates(command, environment):
        found = _about_file(code, candidate, os.path.join(base, candidate))
        if found:
            return found
    if code in (errno.ENOENT, errno.ENOTDIR):
        words = f"no such file: {command}" if "/" in command else f"command not found: {command}"
        return (
            f"{words} (this is one word: separate its arguments, or run it with `sh -c`)" if " " in command else words
        )
    return f"{os_error_text(code)}: {command}"


def os_error_text(code: int) -> str:
    """Return the system's words for an error, and which limit it means where they do not tell."""
    words = os.strerror(code)
    words = words[:1].lower() + words[1:]
    return f"{words} (no more processes are allowed, see `ulimit -u`)" if code == errno.EAGAIN else words


def _about_file(code: int, name: str, path: str) -> str | None:
    """Return what is wrong with a file that was found; None when there is no such file, or nothing is wrong with it."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return None
    if code == errno.EACCES:
        if stat.S_ISDIR(mode):
            return f"permission denied: {name} (a directory)"
        return f"permission denied: {name}" + ("" if mode & 0o111 else " (not executable)")
    # The file is there, so it is something else that exec(2) has not found.
    if code == errno.ENOENT:
        return _about_interpreter(name, path)
    if code == errno.ENOEXEC:
        return f"exec format error: {name} (neither a program for this machine nor a script with a #! line)"
    return None


def _about_interpreter(name: str, path: str) -> str:
    """Explain "no such file" for a file that is there: what shall run it is missing."""
    try:
        with open(path, "rb") as file:
            line = file.readline(256)
    except OSError:
        line = b""
    if line.startswith(b"#!"):
        words = line[2:].strip(b" \t\n").replace(b"\t", b" ").split(b" ", 1)
        interpreter = words[0].decode("utf-8", "replace")
        # A script with the line ends of Windows: the kernel looks for `sh\r`, which on a terminal looks like `sh`.
        shown = repr(interpreter) if interpreter.endswith("\r") else interpreter
        return f"no such interpreter: {shown} (in the #! line of {name})"
    return f"no such file: {name} (the program loader it asks for is missing)"
