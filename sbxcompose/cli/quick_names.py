"""The names of the processes of the project here, kept for completion: reading them imports nothing.

They are taken for those of the project as long as the files that it came from, or that were looked for in vain, have
the same time stamp and size, and the environment is the same. `spec.cache` trusts no time stamps; here a wrong answer
costs a key stroke.
"""

from __future__ import annotations

import os
from binascii import crc32
from collections.abc import Iterable, Mapping

from sbxcompose.spec.cache_place import cache_directory, own_directory
from sbxcompose.version import __version__

_CHANGING = ("COMP_", "_", "PWD", "OLDPWD", "SHLVL", "COLUMNS", "LINES")
"""How the variables begin that differ from one command line to the next."""
_LARGEST = 1 << 20


def recall(environ: Mapping[str, str]) -> list[str] | None:
    """Return the names, if they are known and nothing has changed."""
    path = _path(environ)
    if path is None:
        return None
    try:
        with open(path, "rb") as stream:
            first, _, body = stream.read(_LARGEST).partition(b"\n")
    except OSError:
        return None
    if first != _head(environ, body):
        return None
    lines = body.decode("utf-8", "surrogateescape").split("\n")
    stamps, names = lines[: lines.index("")], lines[lines.index("") + 1 :]
    parts = (line.partition(" ") for line in stamps)
    return names if all(_stamp(file) == stamp for stamp, _, file in parts) else None


def remember(environ: Mapping[str, str], files: Iterable[str], names: Iterable[str]) -> None:
    """Keep the names of a project that came from these files; failing to is not an error."""
    path = _path(environ)
    lines = [*(f"{_stamp(file)} {file}" for file in sorted(files)), "", *names]
    if path is None or any("\n" in line or line.startswith("- ") for line in lines):
        return
    try:
        if own_directory(os.path.dirname(path)):
            body = "\n".join(lines).encode("utf-8", "surrogateescape")
            from sbxcompose.file_writing import replace_file  # late: completion reads far more often

            replace_file(path, _head(environ, body) + b"\n" + body)
    except OSError:
        return


def _path(environ: Mapping[str, str]) -> str | None:
    directory = cache_directory(environ)
    try:
        here = os.getcwd()
    except OSError:
        return None
    return None if directory is None else os.path.join(directory, f"names-{crc32(os.fsencode(here)):08x}")


def _head(environ: Mapping[str, str], body: bytes) -> bytes:
    """Return what the names depend on besides files, and a checksum."""
    same = sorted(item for item in environ.items() if not item[0].startswith(_CHANGING))
    facts = repr((__version__, os.getcwd(), same)).encode("utf-8", "surrogateescape")
    return f"{crc32(facts):08x} {crc32(body):08x}".encode()


def _stamp(path: str) -> str:
    """Return what changes with a file; `-` for a pipe and the like, which may say something else each time."""
    try:
        status = os.stat(path)
    except OSError:
        return "absent"
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}" if os.path.isfile(path) else "-"
