"""Random trees with random ignore files: we leave out exactly what git does."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sbxcompose.files.load_rules import load_rules

NAMES = ["a", "b", "foo", "c.py", "d.tmp", "é", "x y", "-z", "a\nb", "!a", "#b"]
PATTERNS = [
    *("a", "b/", "/foo", "foo/", "*.py", "*.tmp", "!c.py", "!a", "a/b", "a/**", "**/foo", "a/**/b", "foo/*", "!foo/a"),
    *("*", "!*/", "/*", "?", "[ab]", "[!a]", "!foo/**", "**", "**/", "/**", "*/", "é", "x\\ y", "x*", "\\-z", "# hi"),
    *("\\!a", "a//b", "f**o", "**/a/", "a/*/b", "[[:alpha:]]", "foo/**/", "!/a", "!b/", "a/b/", "[a-c]*", "a\\", " a"),
    *("foo  ", "!!a", "\\#b", "??", "[^a-c]?"),
]


def grow(directory: Path, rng: random.Random, depth: int = 0) -> None:
    for name in rng.sample(NAMES, rng.randint(1, 5)):
        if depth < 3 and rng.random() < 0.5:
            (directory / name).mkdir()
            grow(directory / name, rng, depth + 1)
        else:
            (directory / name).touch()
    if depth == 0 or rng.random() < 0.4:
        lines = rng.choices(PATTERNS, k=rng.randint(1, 4))
        (directory / ".gitignore").write_text("\n".join(lines) + "\n")


def entries(top: Path) -> Iterator[tuple[str, bool]]:
    for directory, folders, files in os.walk(top):
        if ".git" in folders:
            folders.remove(".git")
        for names, is_dir in ((folders, True), (files, False)):
            yield from ((os.path.relpath(os.path.join(directory, name), top), is_dir) for name in names)


def ignored_by_git(top: Path, paths: list[str]) -> set[str]:
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    command = ["git", "-C", str(top), "check-ignore", "--stdin", "-z"]
    answer = subprocess.run(command, input=asked, stdout=subprocess.PIPE, check=False).stdout
    return {os.fsdecode(path) for path in answer.split(b"\0") if path}


@pytest.mark.parametrize("seed", range(40))
def test_we_ignore_what_git_ignores(seed: int, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    grow(tmp_path, random.Random(seed))
    found = list(entries(tmp_path))
    rules = load_rules(str(tmp_path))
    ours = {path for path, is_dir in found if rules.ignores(path, is_dir=is_dir)}
    assert ours == ignored_by_git(tmp_path, [path for path, _ in found])


def test_the_top_is_the_repositorys(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "app").mkdir()
    assert load_rules(str(tmp_path / "app")).ignores("a.log", is_dir=False)


def test_outside_of_a_repository_the_root_is_the_top(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / "app").mkdir()
    assert not load_rules(str(tmp_path / "app")).ignores("a.log", is_dir=False)
