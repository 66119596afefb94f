"""An unchanged project, remembered: what it was made from, and what it was, in one file.

Whoever asks again reads all the files again and compares them, byte by byte, with what is remembered; so
does every environment variable that was consulted, and every file that was looked for and not there.
Nothing is taken on trust from a time stamp. What this saves is the reading of YAML and its checking (and
the import of what does that).

An entry holds what the files hold, and the values of variables, so also secrets: it is readable for its
owner alone (0600, in a folder 0700 that must be the user's own), like the `.env` it comes from.
`SBXCOMPOSE_NO_CACHE=1` switches the cache off. Standard library only, and little of that: `marshal` reads a
hundred times faster than it takes to import `pickle`.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from binascii import crc32
from collections.abc import Callable, Mapping
from typing import Any

from sbxcompose import __version__
from sbxcompose.spec import project as _project
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest, named_files
from sbxcompose.spec.sources import Sources, read_content

_KEPT = 64
"""Entries; the least recently written ones go."""
_LARGEST = 256 * 1024 * 1024

_CLASSES: tuple[Callable[..., Any], ...] = (
    _project.Condition,
    _project.RestartPolicy,
    _project.Restart,
    _project.HealthCheck,
    _project.ReadyLine,
    _project.ReadyCommand,
    _project.Dependency,
    _project.StopPolicy,
    _project.WatchRule,
    _project.Process,
    _project.Resources,
    _project.Network,
    _project.FileSystem,
    _project.Files,
    _project.Sandbox,
    _project.Project,
)
_NUMBERS = {each: number for number, each in enumerate(_CLASSES)}
_LARGE = frozenset((_project.Process, _project.Sandbox, _project.Project))
"""Too large to look for equal ones."""


def recall(request: LoadRequest, looked_at: set[str] | None = None) -> Project | None:
    """The project as it was loaded before, if nothing that it was made from has changed.

    `looked_at`, if given, then gets the paths of the files that it was made from.
    """
    directory = cache_directory(request.environ)
    if directory is None:
        return None
    key = _key(request)
    entry = _read_entry(_path(directory, key))
    if entry is None or entry[0] != key:
        return None
    _, files, variables, project = entry
    environ = request.environ
    if any(environ.get(name) != value for name, value in variables.items()):
        return None
    if any(read_content(path) != content for path, content in files.items()):
        return None
    if looked_at is not None:
        looked_at.update(files)
    unpacked = _Unpacker().unpack(project)
    return unpacked if isinstance(unpacked, Project) else None


def remember(request: LoadRequest, sources: Sources, project: Project) -> None:
    """Keep a project that was just loaded from `sources`. Failing to is no error: it is only a cache."""
    directory = cache_directory(request.environ)
    if directory is None or not sources.lasting:
        return
    key = _key(request)
    with contextlib.suppress(OSError, ValueError):
        body = marshal.dumps((key, sources.files, sources.variables, _Packer().pack(project)))
        if len(body) <= _LARGEST and _own_directory(directory):
            _write_entry(_path(directory, key), crc32(body).to_bytes(4, "big") + body)
            _prune(directory)


def cache_directory(environ: Mapping[str, str]) -> str | None:
    """The user's directory for what we remember between two commands; None if nothing is to be kept."""
    if environ.get("SBXCOMPOSE_NO_CACHE"):
        return None
    base = environ.get("XDG_CACHE_HOME") or ""
    if not os.path.isabs(base):
        home = environ.get("HOME") or ""
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    return os.path.join(base, "sbxcompose")


def _key(request: LoadRequest) -> tuple[Any, ...]:
    """All that decides on a project beside files and variables: the request, and who reads it."""
    here = os.path.realpath(request.directory)
    files = named_files(request)
    folders = tuple(os.path.realpath(os.path.dirname(os.path.join(here, name))) for name in files)
    return (
        __version__,
        sys.hexversion,
        _code_stamp(),
        here,
        request.directory,
        files,
        folders,
        request.project_name,
        request.profiles,
        request.provider,
        request.env_files,
        tuple(sorted(request.scale.items())),
    )


def _code_stamp() -> tuple[tuple[str, int, int], ...]:
    """The reader's own files: whoever changes them (we do, every day) must see what they do now."""
    folder = os.path.dirname(__file__)
    try:
        with os.scandir(folder) as found:
            stats = [(each.name, each.stat()) for each in found if each.name.endswith(".py")]
    except OSError:
        return ()
    return tuple(sorted((name, status.st_mtime_ns, status.st_size) for name, status in stats))


def _path(directory: str, key: tuple[Any, ...]) -> str:
    # The key itself is compared later, so that two projects with one sum only displace each other.
    return os.path.join(directory, f"project-{crc32(repr(key[3:]).encode('utf-8', 'surrogateescape')):08x}")


def _read_entry(path: str) -> tuple[Any, ...] | None:
    """What `remember` wrote, or None for anything else: absent, foreign, torn, or of another format."""
    try:
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
    if crc32(content[4:]).to_bytes(4, "big") != content[:4]:
        return None
    try:
        entry = marshal.loads(content[4:])
    except (ValueError, EOFError, TypeError):
        return None
    return entry if isinstance(entry, tuple) and len(entry) == 4 else None


def _own_directory(directory: str) -> bool:
    os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    status = os.stat(directory, follow_symlinks=False)
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _write_entry(path: str, content: bytes) -> None:
    """All of it or nothing, whoever else writes at the same time."""
    temporary = f"{path}.{os.getpid()}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        os.unlink(temporary)  # of a process that died, and had our number
        return
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _prune(directory: str) -> None:
    with os.scandir(directory) as found:
        entries = [(each.stat(follow_symlinks=False).st_mtime_ns, each.path) for each in found]
    for _, path in sorted(entries)[:-_KEPT]:
        os.unlink(path)


class _Packer:
    """Values as `marshal` takes them: one of our classes becomes a list of its number and its parts.

    Equal small parts become one list, which `marshal` then writes once: ten thousand processes share a few
    policies.
    """

    def __init__(self) -> None:
        self._shared: dict[Any, Any] = {}

    def pack(self, value: Any) -> Any:
        kind = type(value)
        if kind is not tuple and kind not in _NUMBERS:
            return value
        if kind in _LARGE:
            return self._pack(value)
        # The type is part of the key, because an enumeration's member equals its text.
        packed = self._shared.get((kind, value))
        if packed is None:
            packed = self._shared[kind, value] = self._pack(value)
        return packed

    def _pack(self, value: Any) -> Any:
        if type(value) is tuple:
            return tuple([self.pack(each) for each in value])
        number = _NUMBERS[type(value)]
        if isinstance(value, str):
            return [number, str(value)]
        return [number, *[self.pack(getattr(value, name)) for name in value.__struct_fields__]]


class _Unpacker:
    """The inverse; what was written once becomes one value again."""

    def __init__(self) -> None:
        self._shared: dict[int, Any] = {}

    def unpack(self, value: Any) -> Any:
        kind = type(value)
        if kind is not tuple and kind is not list:
            return value
        known = self._shared.get(id(value))
        if known is None:
            parts = [self.unpack(each) for each in value]
            known = tuple(parts) if kind is tuple else _CLASSES[parts[0]](*parts[1:])
            self._shared[id(value)] = known
        return known
