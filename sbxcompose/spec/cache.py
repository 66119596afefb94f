"""Keep the resolved project of an unchanged file, together with everything it was made from.

An entry counts only if every file it was made from still has the same bytes, every variable that was consulted the
same value, and every file that was looked for in vain is still absent; time stamps are not trusted. A hit saves
reading and validating YAML, and importing what does that.

An entry is a checksum and one MessagePack value that is decoded as `_Entry`; a damaged or old one is ignored, and
the project loaded again. It contains the contents of files and the values of variables, so also secrets: it is
readable by its owner alone (0600, in a directory 0700 that must be the user's own). `SBXCOMPOSE_NO_CACHE=1` switches
the cache off.
"""

# No `from __future__ import annotations`, for the reason given in `spec/project.py`.
import contextlib
import os
import sys
from binascii import crc32
from functools import cache

from msgspec import DecodeError, Struct
from msgspec.msgpack import Decoder, encode

from sbxcompose.spec.cache_place import cache_directory, own_directory
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest, named_env_files, named_files
from sbxcompose.spec.sources import SourceContent, Sources, read_content
from sbxcompose.version import __version__

_KEPT = 64
"""Entries; the least recently written ones go."""
_LARGEST = 256 * 1024 * 1024

_CHECKSUM_BYTES = 4
_NOT_TEXT = b"\xc1"
"""Begins an entry with text that is not UTF-8; no value of MessagePack begins like this."""


class _CacheReader(Struct, frozen=True, array_like=True):
    """The program that wrote an entry: another version may resolve the same files differently."""

    version: str
    python: int
    code: tuple[tuple[str, int, int], ...]


class _Question(Struct, frozen=True, array_like=True):
    """Everything in a request that affects the project, besides files and variables."""

    here: str
    directory: str
    files: tuple[str, ...]
    folders: tuple[str, ...]
    project_name: str | None
    profiles: tuple[str, ...]
    provider: str | None
    env_files: tuple[str, ...]
    scale: tuple[tuple[str, int], ...]


class _Entry(Struct, frozen=True, array_like=True):
    """The contents of a cache file."""

    reader: _CacheReader
    question: _Question
    files: dict[str, SourceContent]
    variables: dict[str, str | None]
    project: Project


def recall(request: LoadRequest, looked_at: set[str] | None = None) -> Project | None:
    """Return the cached project if nothing that it was made from has changed.

    `looked_at`, if given, then receives the paths of those files.
    """
    directory = cache_directory(request.environ)
    if directory is None:
        return None
    question = _question(request)
    entry = _read_entry(_path(directory, question))
    if entry is None or entry.question != question or entry.reader != _reader():
        return None
    environ = request.environ
    if any(environ.get(name) != value for name, value in entry.variables.items()):
        return None
    if any(read_content(path) != content for path, content in entry.files.items()):
        return None
    if looked_at is not None:
        looked_at.update(entry.files)
    return entry.project


def remember(request: LoadRequest, sources: Sources, project: Project) -> None:
    """Keep a project that was just loaded from `sources`. Failing to is not an error: it is only a cache."""
    directory = cache_directory(request.environ)
    if directory is None or not sources.lasting:
        return
    question = _question(request)
    # MessagePack has no numbers above 64 bits.
    with contextlib.suppress(OSError, OverflowError, UnicodeEncodeError):
        body = _encoded(_Entry(_reader(), question, sources.files, sources.variables, project))
        if len(body) <= _LARGEST and own_directory(directory):
            from sbxcompose.file_writing import replace_file  # late: most commands find what was kept

            replace_file(_path(directory, question), _checksum(body) + body)
            _prune(directory)


def _encoded(entry: _Entry) -> bytes:
    try:
        return encode(entry)
    except UnicodeEncodeError:
        from sbxcompose.spec import undecodable

        return _NOT_TEXT + undecodable.encode(entry)


def _question(request: LoadRequest) -> _Question:
    here = os.path.realpath(request.directory)
    files = named_files(request)
    return _Question(
        here=here,
        directory=request.directory,
        files=files,
        folders=tuple(os.path.realpath(os.path.dirname(os.path.join(here, name))) for name in files),
        project_name=request.project_name,
        profiles=request.profiles,
        provider=request.provider,
        env_files=named_env_files(request),
        scale=tuple(sorted(request.scale.items())),
    )


def _reader() -> _CacheReader:
    return _CacheReader(__version__, sys.hexversion, _code_stamp())


def _code_stamp() -> tuple[tuple[str, int, int], ...]:
    """Return the reader's own files: whoever changes them (we do, every day) must see what they do now."""
    folder = os.path.dirname(__file__)
    try:
        with os.scandir(folder) as found:
            stats = [(entry.name, entry.stat()) for entry in found if entry.name.endswith(".py")]
    except OSError:
        return ()
    return tuple(sorted((name, status.st_mtime_ns, status.st_size) for name, status in stats))


def _path(directory: str, question: _Question) -> str:
    # The question itself is compared later, so that two projects with one sum only displace each other.
    return os.path.join(directory, f"project-{crc32(repr(question).encode('utf-8', 'surrogateescape')):08x}")


def _checksum(body: bytes | memoryview) -> bytes:
    return crc32(body).to_bytes(_CHECKSUM_BYTES, "big")


@cache
def entry_decoder() -> Decoder[_Entry]:
    """Return the decoder of entries: it takes 2 ms to make, and is made when it is first needed."""
    return Decoder(_Entry)


def _read_entry(path: str) -> _Entry | None:
    """Read what `remember` wrote; None if the file is absent, not this user's alone, damaged or of another format."""
    try:
        # O_NONBLOCK: opening a named pipe in its place would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077 or status.st_size > _LARGEST:
            return None
        with open(descriptor, "rb", buffering=0, closefd=False) as stream:
            content = stream.read()
    except OSError:
        return None
    finally:
        os.close(descriptor)
    body = memoryview(content)[_CHECKSUM_BYTES:]
    if _checksum(body) != content[:_CHECKSUM_BYTES]:
        return None
    try:
        if body[:1] == _NOT_TEXT:
            from sbxcompose.spec import undecodable

            return undecodable.decode(body[1:], _Entry)
        return entry_decoder().decode(body)
    except (DecodeError, ValueError):
        return None


def _prune(directory: str) -> None:
    with os.scandir(directory) as found:
        entries = [(entry.stat(follow_symlinks=False).st_mtime_ns, entry.path) for entry in found]
    for _, path in sorted(entries)[:-_KEPT]:
        os.unlink(path)
