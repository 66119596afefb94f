"""The tree on this disk that is to be there in the sandbox: what it consists of, found without reading any file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec import Struct

from sbxcompose.errors import SbxError
from sbxcompose.files.changes import parents
from sbxcompose.files.ignore import IGNORE_FILES, Rules
from sbxcompose.files.load_rules import load_rules
from sbxcompose.files.manifest import EntryKind, ManifestEntry
from sbxcompose.threads import check_cancelled

PERMISSIONS = 0o777


class CopyRefused(SbxError):
    """Something in the tree cannot be copied as it is; the message names it."""


class CopySource(Struct, frozen=True):
    """A file or folder of this machine, absolute; where it goes in the workspace (`""`: the workspace itself)."""

    path: str
    to: str = ""
    ignore: tuple[str, ...] = ()


class FileSignature(Struct, frozen=True, array_like=True, gc=False):
    """What tells without reading that a file is the one that was read."""

    size: int
    mtime: int
    ctime: int
    inode: int


def signature_of(status: os.stat_result) -> FileSignature:
    """Return the seal of a file."""
    return FileSignature(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class ScannedEntry(Struct, frozen=True, gc=False):
    """An entry on this disk. `entry` has no digest yet; `signature` is a file's."""

    path: str
    entry: ManifestEntry
    signature: FileSignature
    owner: tuple[int, int] = (0, 0)


@dataclass
class ScannedTree:
    """What was found, by its path in the workspace, and what was left out with the reason (sockets and the like)."""

    found: dict[str, ScannedEntry] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def scan(sources: Iterable[CopySource]) -> ScannedTree:
    """Look at all sources; of what several have, the last counts. Raises `CopyRefused` with all that is wrong."""
    tree = ScannedTree()
    wrong: list[str] = []
    for source in sources:
        _Scan(source, tree, wrong).scan()
    _refuse(wrong)
    return tree


def rescan(tree: ScannedTree, sources: Iterable[CopySource], paths: Iterable[str]) -> None:
    """Look again at these absolute paths and what is below them, and put what is there now into `tree`.

    An ignore file among them, or a path that several sources have, means to look at everything again.
    """
    sources, paths = tuple(sources), tuple(paths)
    if any(os.path.basename(path) in IGNORE_FILES for path in paths) or len(sources) > 1:
        fresh = scan(sources)
        tree.found, tree.skipped = fresh.found, fresh.skipped
        return
    wrong: list[str] = []
    for source in sources:
        again = _Scan(source, tree, wrong)
        for path in paths:
            again.scan_again(path)
    _refuse(wrong)


def _refuse(wrong: list[str]) -> None:
    if wrong:
        shown = wrong[:10] + ([f"and {len(wrong) - 10} more"] if len(wrong) > 10 else [])
        raise CopyRefused("; ".join(shown), hint="fix it, or leave it out with `ignore:` or a `.sbxcomposeignore`")


class _Scan:
    def __init__(self, source: CopySource, tree: ScannedTree, wrong: list[str]) -> None:
        self._source = source
        self._tree = tree
        self._wrong = wrong
        self._prefix = source.to.strip("/") + "/" if source.to.strip("/") else ""

    def scan(self) -> None:
        path = self._source.path
        try:
            status = os.stat(path)
        except OSError as error:
            self._wrong.append(f"{path}: {error.strerror}")
            return
        if stat.S_ISDIR(status.st_mode):
            self._walk(path, load_rules(path, self._source.ignore))
        else:
            name = self._source.to if self._source.to not in ("", ".") else os.path.basename(path)
            self._add(name.rstrip("/"), path, status, os.path.dirname(path))

    def scan_again(self, path: str) -> None:
        """Look at a path that may have changed, come or gone."""
        top = self._source.path
        inside = os.path.relpath(path, top)
        if inside in (".", os.path.basename(top)) or inside.startswith("../"):
            if inside == "." or os.path.commonpath([path, top]) == path:
                self._forget(self._prefix.rstrip("/"))
                self.scan()
            return
        name = self._prefix + inside
        self._forget(name)
        rules = load_rules(top, self._source.ignore)
        try:
            if any(os.path.islink(os.path.join(top, above)) for above in parents(inside)):
                return  # what a link leads to is not looked into
            status = os.lstat(path)
        except OSError:
            return
        is_dir = stat.S_ISDIR(status.st_mode)
        if not rules.ignores(inside, is_dir=is_dir):
            self._add(name, path, status, top)
            if is_dir:
                self._walk(top, rules, inside)

    def _forget(self, name: str) -> None:
        found = self._tree.found
        for gone in [path for path in found if path == name or not name or path.startswith(name + "/")]:
            del found[gone]

    def _walk(self, top: str, rules: Rules, below: str = "") -> None:
        waiting = [(below, os.path.join(top, below) if below else top)]
        while waiting:
            below, directory = waiting.pop()
            ignores = rules.directory(below).ignores
            for entry in self._list(directory):
                check_cancelled()
                is_dir = entry.is_dir(follow_symlinks=False)
                if ignores(entry.name, is_dir=is_dir):
                    continue
                inside = f"{below}/{entry.name}" if below else entry.name
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                self._add(self._prefix + inside, entry.path, status, top)
                if is_dir:
                    waiting.append((inside, entry.path))

    def _list(self, directory: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(directory) as entries:
                yield from entries
        except FileNotFoundError:
            return
        except OSError as error:
            self._wrong.append(f"{directory}: {error.strerror}")

    def _add(self, name: str, path: str, status: os.stat_result, top: str) -> None:
        kind = _kind(status.st_mode)
        mode = status.st_mode & PERMISSIONS
        if kind is None:
            self._tree.skipped.append((name, "is neither a file, a folder nor a link"))
        elif kind == "link":
            target = self._target(path, top)
            if target is not None:
                # Not its own mode: Linux has none for links (symlink(7)), and others' would make every link differ
                # there.
                entry = ManifestEntry("link", PERMISSIONS, 0, b"", os.fsencode(target))
                self._tree.found[name] = ScannedEntry(path, entry, signature_of(status))
        else:
            entry = ManifestEntry(kind, mode, status.st_size if kind == "file" else 0)
            self._tree.found[name] = ScannedEntry(path, entry, signature_of(status))

    def _target(self, path: str, top: str) -> str | None:
        """Where a link points to, if that is inside of the tree."""
        try:
            target = os.readlink(path)
        except OSError:
            return None
        reached = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if os.path.isabs(target) or not (reached == top or reached.startswith(top.rstrip("/") + "/")):
            self._wrong.append(f"{path} is a link to {target}, which is outside of what is copied")
            return None
        return target


def _kind(mode: int) -> EntryKind | None:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    return "link" if stat.S_ISLNK(mode) else None
