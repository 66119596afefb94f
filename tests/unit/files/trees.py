"""Random trees and random edits, for the tests of copying."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hypothesis import strategies as st

NAMES = [b"a", b"b", b"-rf", b"new\nline", b"no text \xff", "é".encode(), b"sp ace", b"quo'te", b"*", b".hidden", b"$x"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)

FILE = st.tuples(st.just("file"), st.binary(max_size=40), st.sampled_from([0o644, 0o755, 0o600, 0o444]))
DIRECTORY = st.tuples(st.just("dir"), st.just(b""), st.sampled_from([0o755, 0o700, 0o555]))
LINK = st.tuples(st.just("link"), st.sampled_from([b"a", b"./b", b"nowhere"]), st.just(0o777))
GONE = st.tuples(st.just("gone"), st.just(b""), st.just(0))
MODE = st.tuples(st.just("mode"), st.just(b""), st.sampled_from([0o644, 0o755, 0o700, 0o555]))
MOVE = st.tuples(st.just("move"), PATHS, st.just(0))

Edit = tuple[bytes, tuple[str, bytes, int]]
EDITS = st.lists(st.tuples(PATHS, st.one_of(FILE, FILE, DIRECTORY, LINK, GONE, MODE, MOVE)), max_size=12)


def apply(root: Path, edits: list[Edit]) -> None:
    """Make the edits; what is in the way of one goes."""
    top = os.fsencode(root)
    for path, (what, data, mode) in edits:
        _apply(top, os.path.join(top, path), what, data, mode)


def _apply(top: bytes, path: bytes, what: str, data: bytes, mode: int) -> None:
    if what == "mode":
        if os.path.lexists(path) and not os.path.islink(path):
            os.chmod(path, mode | 0o100 if os.path.isdir(path) else mode)
        return
    if what == "move":
        source, path = path, os.path.join(top, data)
        if not os.path.lexists(source) or path.startswith(source + b"/") or path == source:
            return
        spare = os.path.join(os.path.dirname(top), b"spare")
        _writable(os.path.dirname(source))
        os.rename(source, spare)
    _make_way(top, path)
    if what == "move":
        os.rename(spare, path)
    elif what == "file":
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
    elif what == "dir":
        os.mkdir(path)
        os.chmod(path, mode)
    elif what == "link":
        os.symlink(data, path)


def _make_way(top: bytes, path: bytes) -> None:
    """The parents of a path exist and are folders that can be written to, and nothing is at the path."""
    parent = os.path.dirname(path)
    if parent != top:
        if os.path.islink(parent) or not os.path.isdir(parent):
            _make_way(top, parent)
            os.mkdir(parent)
        else:
            _check_parents(top, parent)
    _writable(parent)
    remove(path)


def _check_parents(top: bytes, directory: bytes) -> None:
    """A folder may be reached through a link: that goes, and a folder takes its place."""
    parent = os.path.dirname(directory)
    if parent != top and os.path.islink(parent):
        remove(parent)
        os.mkdir(parent)
        os.mkdir(directory)


def _writable(directory: bytes) -> None:
    if os.path.isdir(directory):
        os.chmod(directory, os.stat(directory).st_mode | 0o700)


def remove(path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        for directory, _, _ in os.walk(path):
            _writable(directory)
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


Picture = dict[bytes, tuple[str, int, bytes]]


def picture(root: Path) -> Picture:
    """Everything about a tree that has to be the same on both sides."""
    top = os.fsencode(root)
    seen: Picture = {}
    for directory, folders, files in os.walk(top):
        if directory == top and b".sbxcompose" in folders:
            folders.remove(b".sbxcompose")
        for name in folders + files:
            path = os.path.join(directory, name)
            inside = os.path.relpath(path, top)
            mode = os.lstat(path).st_mode & 0o777
            if os.path.islink(path):
                seen[inside] = ("link", 0, os.readlink(path))
            elif os.path.isdir(path):
                seen[inside] = ("dir", mode, b"")
            else:
                with open(path, "rb") as file:
                    seen[inside] = ("file", mode, file.read())
    return seen
