"""Which paths count. That the patterns mean what they mean to git is tried against git itself, in tests/live/files."""

from __future__ import annotations

from sbxcompose.files.ignore import Rules
from tests.support.cases import each_case


def rules(files: dict[str, str] | None = None, *patterns: str, root: str = "") -> Rules:
    contents = {path: text.encode() for path, text in (files or {}).items()}
    return Rules(contents.get, patterns, root=root)


def test_nothing_is_ignored_but_gits_own_directory() -> None:
    ignores = rules().ignores
    assert not ignores("a/b.py", is_dir=False)
    assert ignores(".git", is_dir=True)
    assert ignores("vendor/lib/.git", is_dir=False), "the file that a submodule has"
    assert ignores(".git/objects/ab", is_dir=True)
    assert not ignores("", is_dir=True)


def test_gits_own_directory_can_be_taken_in() -> None:
    assert not rules({}, "!.git").ignores(".git/HEAD", is_dir=False)


def test_an_ignore_file_holds_for_its_directory_and_below() -> None:
    ignores = rules({"web/.gitignore": "*.log\n/dist/\n"}).ignores
    assert ignores("web/a.log", is_dir=False)
    assert ignores("web/deep/a.log", is_dir=False)
    assert not ignores("a.log", is_dir=False)
    assert ignores("web/dist", is_dir=True)
    assert ignores("web/dist/x/y", is_dir=False)
    assert not ignores("web/dist", is_dir=False), "a pattern with a slash at its end means directories"
    assert not ignores("web/deep/dist", is_dir=True)


def test_deeper_files_and_later_lines_are_stronger() -> None:
    ignores = rules({".gitignore": "*.log\n!keep.log\n", "deep/.gitignore": "keep.log\n!a.log\n"}).ignores
    assert not ignores("keep.log", is_dir=False)
    assert ignores("deep/keep.log", is_dir=False)
    assert not ignores("deep/a.log", is_dir=False)


def test_what_lies_in_an_ignored_directory_cannot_be_taken_in_again() -> None:
    assert rules({".gitignore": "node_modules/\n!node_modules/x\n"}).ignores("node_modules/x", is_dir=False)
    assert not rules({".gitignore": "node_modules/*\n!node_modules/x\n"}).ignores("node_modules/x", is_dir=False)


def test_our_own_ignore_file_is_stronger_than_gits_and_the_spec_than_both() -> None:
    files = {"deep/.gitignore": ".env\n", ".sbxcomposeignore": "!.env\n*.md\n"}
    assert not rules(files).ignores("deep/.env", is_dir=False)
    assert rules(files).ignores("deep/README.md", is_dir=False)
    assert not rules(files, "!README.md").ignores("deep/README.md", is_dir=False)
    assert rules(files, "/deep/.env").ignores("deep/.env", is_dir=False)


def test_files_above_the_root_count_and_the_specs_patterns_are_relative_to_the_root() -> None:
    files = {".gitignore": "*.log\n/apps/web/dist\n", "apps/web/.gitignore": "tmp\n"}
    ignores = rules(files, "/here", root="apps/web").ignores
    assert ignores("a.log", is_dir=False)
    assert ignores("dist/x", is_dir=False)
    assert ignores("tmp", is_dir=True)
    assert ignores("here", is_dir=False)


def test_a_root_that_is_ignored_itself_was_named_and_counts() -> None:
    assert not rules({".gitignore": "dist\n"}, root="dist").ignores("a.js", is_dir=False)


def test_a_directory_tells_about_its_entries_alone() -> None:
    directory = rules({".gitignore": "/a/b\n*.o\n"}).directory("a")
    assert directory.ignores("b", is_dir=True)
    assert directory.ignores("x.o", is_dir=False)
    assert not directory.ignores("c", is_dir=False)


@each_case("line", ["# comment", "", "   ", "/", "!", "a\\", "[z-a]"])
def test_lines_that_say_nothing_match_nothing(line: str) -> None:
    ignores = rules({".gitignore": f"{line}\nreal\r\n"}).ignores
    assert not ignores("a", is_dir=False)
    assert not ignores(line.strip() or "x", is_dir=False)
    assert ignores("real", is_dir=False), "a line may end as they do on Windows"


@each_case(
    "pattern, path",
    [
        ("\\!a", "!a"),
        ("\\#a", "#a"),
        ("a\\ ", "a "),
        ("*.tmp", "new\nline.tmp"),
        ("a/**/b", "a/x\n/b"),
        ("*.p[yo]", "deep/a.py"),
        ("[[:digit:]]x", "1x"),
        ("é", "é"),
        ("??", "é"),
    ],
)
def test_unusual_names(pattern: str, path: str) -> None:
    assert rules({".gitignore": pattern + "\n"}).ignores(path, is_dir=False)


def test_bytes_that_are_not_text_are_matched_as_they_are() -> None:
    contents = {".gitignore": b"bad\xff\n"}
    assert Rules(contents.get).ignores("bad\udcff", is_dir=False)
