"""Which paths count: ignore files at every level of a tree, and the patterns of the project's file; pure.

From weak to strong: `.git` and `.sbxcompose` are left out; the `.gitignore` of each directory, deeper ones stronger;
the same for `.sbxcomposeignore`; and the spec's own `ignore:` patterns. A pattern that begins with `!` takes something
in again, unless a directory above it is ignored, which is never looked into: all as in git.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sbxcompose.files.patterns import Level, level, parse

IGNORE_FILES = (".gitignore", ".sbxcomposeignore")
"""The names of ignore files, weak to strong; one that changes, changes the rules."""

ReadBytes = Callable[[str], bytes | None]
"""Hands out the ignore file at a path relative to the top; None if there is none."""

_ALWAYS = (".git", ".sbxcompose")


class Rules:
    """Paths are relative to the root, with `/`, as text with undecodable bytes escaped (`os.fsdecode`).

    `read` gets paths relative to the top: `root` is the way from there down to the root, whose parents' ignore files
    count too. `patterns` are relative to the root. What was read once is kept: make new rules when an ignore file has
    changed.
    """

    def __init__(self, read: ReadBytes, patterns: Iterable[str] = (), *, root: str = "") -> None:
        self._read = read
        self._root = root.strip("/")
        self._own = level(patterns)
        self._always = level(_ALWAYS)
        self._levels: dict[str, Level] = {}
        self._directories: dict[str, Directory] = {}
        self._ignored: dict[str, bool] = {"": False}

    def ignores(self, path: str, *, is_dir: bool) -> bool:
        """Return whether a path, or a directory above it, is ignored. The root itself never is."""
        if not path:
            return False
        parent, _, name = path.rpartition("/")
        return self._ignores_directory(parent) or self.directory(parent).ignores(name, is_dir=is_dir)

    def directory(self, path: str) -> Directory:
        """Return the rules for what lies directly in a directory that is not ignored itself."""
        found = self._directories.get(path)
        if found is None:
            found = self._directories[path] = Directory(self._levels_for(path))
        return found

    def _ignores_directory(self, path: str) -> bool:
        known = self._ignored.get(path)
        if known is None:
            known = self._ignored[path] = self.ignores(path, is_dir=True)
        return known

    def _levels_for(self, path: str) -> list[tuple[Level, str]]:
        """Return the levels that have a say about what is in a directory, strong first, each with the way from it to
        there.
        """
        whole = "/".join(filter(None, (self._root, path)))
        parts = whole.split("/") if whole else []
        places = [(parts[:depth], parts[depth:]) for depth in range(len(parts), -1, -1)]
        found = [(self._own, path)]
        for name in reversed(IGNORE_FILES):
            found += [(self._level("/".join([*above, name])), "/".join(below)) for above, below in places]
        found.append((self._always, whole))
        return [(level, below + "/" if below else "") for level, below in found if level]

    def _level(self, file: str) -> Level:
        found = self._levels.get(file)
        if found is None:
            found = self._levels[file] = parse(self._read(file) or b"")
        return found


class Directory:
    """The rules for the entries of one directory."""

    def __init__(self, levels: list[tuple[Level, str]]) -> None:
        self._levels = levels

    def ignores(self, name: str, *, is_dir: bool) -> bool:
        """Return whether the entry of that name is ignored."""
        for rules, prefix in self._levels:
            verdict = rules.verdict(prefix + name, name, is_dir)
            if verdict is not None:
                return verdict
        return False
