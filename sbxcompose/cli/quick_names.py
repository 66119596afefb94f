"""The names in the project here, kept for completion: reading them imports nothing.

They are taken for those of the project as long as the files that it came from, or that were looked for in vain, have
the same time stamp and size, and the environment is the same. `spec.cache` trusts no time stamps; here a wrong answer
costs a key stroke.
"""

from __future__ import annotations

import os
from binascii import crc32
from collections.abc import Iterable, Mapping, Sequence

from sbxcompose.spec.cache_place import cache_directory, own_directory
from sbxcompose.version import __version__

_CHANGING = ("COMP_", "_", "PWD", "OLDPWD", "SHLVL", "COLUMNS", "LINES")
"""How the variables begin that differ from one command line to the next."""
_LARGEST = 1 << 20
Facts = Mapping[str, Sequence[str]]
"""Texts by their kind: `process`, `sandbox`, `profile`; `folder`, the project's; `local`: a sandbox of this machine,
with its full name; `replicas`: a process that has several, with their number."""


def facts(options: Mapping[str, object]) -> Facts:
    """Return what the project has that the global options lead to; nothing of a file with mistakes."""
    known = recall(os.environ, options)
    if known is not None:
        return known
    from sbxcompose.cli.context import GlobalOptions, Shell
    from sbxcompose.cli.project_facts import facts_of
    from sbxcompose.errors import SbxError

    looked_at: set[str] = set()
    try:
        shell = Shell(GlobalOptions(**options), completing=True)  # type: ignore[arg-type]
        found = facts_of(shell.project(looked_at=looked_at))
    except SbxError:
        found = {}
    remember(os.environ, options, looked_at, found)
    return found


def recall(environ: Mapping[str, str], options: Mapping[str, object]) -> Facts | None:
    """Return the facts, if they are known and nothing has changed."""
    path = _path(environ, options)
    if path is None:
        return None
    try:
        with open(path, "rb") as stream:
            first, _, body = stream.read(_LARGEST).partition(b"\n")
    except OSError:
        return None
    if first != _head(environ, options, body):
        return None
    lines = body.decode("utf-8", "surrogateescape").split("\n")
    stamps, entries = lines[: lines.index("")], lines[lines.index("") + 1 :]
    if not all(_stamp(file) == stamp for stamp, _, file in (line.partition(" ") for line in stamps)):
        return None
    found: dict[str, list[str]] = {}
    for kind, _, text in (line.partition(" ") for line in entries):
        found.setdefault(kind, []).append(text)
    return found


def remember(environ: Mapping[str, str], options: Mapping[str, object], files: Iterable[str], known: Facts) -> None:
    """Keep the facts of a project that came from these files; failing to is not an error."""
    path = _path(environ, options)
    entries = [f"{kind} {text}" for kind, texts in known.items() for text in texts]
    lines = [*(f"{_stamp(file)} {file}" for file in sorted(files)), "", *entries]
    if path is None or any("\n" in line or line.startswith("- ") for line in lines):
        return
    try:
        if own_directory(os.path.dirname(path)):
            body = "\n".join(lines).encode("utf-8", "surrogateescape")
            from sbxcompose.file_writing import replace_file  # late: completion reads far more often

            replace_file(path, _head(environ, options, body) + b"\n" + body)
    except OSError:
        return


def _path(environ: Mapping[str, str], options: Mapping[str, object]) -> str | None:
    directory = cache_directory(environ)
    try:
        here = os.getcwd()
    except OSError:
        return None
    wanted = crc32(os.fsencode(here) + _told(options))
    return None if directory is None else os.path.join(directory, f"names-{wanted:08x}")


def _told(options: Mapping[str, object]) -> bytes:
    return repr(sorted(options.items())).encode("utf-8", "surrogateescape") if options else b""


def _head(environ: Mapping[str, str], options: Mapping[str, object], body: bytes) -> bytes:
    """Return what the names depend on besides files, and a checksum."""
    same = sorted(item for item in environ.items() if not item[0].startswith(_CHANGING))
    facts = repr((__version__, os.getcwd(), same)).encode("utf-8", "surrogateescape") + _told(options)
    return f"{crc32(facts):08x} {crc32(body):08x}".encode()


def _stamp(path: str) -> str:
    """Return what changes with a file; `-` for a pipe and the like, which may say something else each time."""
    try:
        status = os.stat(path)
    except OSError:
        return "absent"
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}" if os.path.isfile(path) else "-"
