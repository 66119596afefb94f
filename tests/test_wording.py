"""What the program says is plain standard English: no coined phrases in help texts and messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sbxcompose.cli.command_names import COMMANDS
from sbxcompose.cli.main import cli
from tests.support.syntax import nodes

PACKAGE = Path(__file__).parent.parent / "sbxcompose"

COINED = re.compile(
    r"(?<!there )\bis no (?!longer|more|such)[a-z`{]|\b(?:does|do) not run\b|\bgo(?:es)? on\b|\bsays that\b|\sours\b"
    r"|\bany more\b|\bof its own accord\b|\bwho asks\b|\bwhat is said\b|\bso many\b"
    r"|\bdo(?:es)? not go (?:together|with)\b|\bmeans nothing here\b|\bwakes it\b|\bmake room\b|\bheld still\b"
    r"|\bfor ever\b|\b(?:no|some|every)body\b|\bno room\b|\bstands? still\b",
    re.IGNORECASE,
)
"""Phrases of older texts, each with a plain counterpart: "is not a", "is not running", "continues", "no longer" …"""


COINED_IN_MESSAGES = re.compile(
    r"\bfrom [01] on\b|\bmade anew\b|\balways so\b|\bhas not (?:come|exited) within\b"
    r"|\bsay which (?!one|proxy)|\bcan be meant\b"
    r"|\bdoes not die\b|\bbroke off\b|\bthe host ends\b|\bis that of [^;]*, too\b"
    r"|\bthere is nothing at\b|\bnow killed\b|\bdid not begin\b|\btake \S+ away\b",
    re.IGNORECASE,
)
"""Phrases that docstrings may need, and that do not help after a mistake: "expected", "invalid", "exits"."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings of a module and of what it defines, with their lines."""
    for node in nodes(path):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """The text literals of a module that are not docstrings, with their lines."""
    docstrings = {
        id(statement.value)
        for node in nodes(path)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_messages_use_no_coined_phrases() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text.strip()[:80]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in messages(path)
        if COINED.search(text) or COINED_IN_MESSAGES.search(text)
    ]
    assert not found, "\n".join(found)


def test_docstrings_use_no_coined_phrases() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {match.group()}: {text.strip()[:80]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in docstrings(path)
        if (match := COINED.search(re.sub(r"`[^`]*`", "", text))) is not None
    ]
    assert not found, "\n".join(found)


def test_no_docstring_only_points_elsewhere() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, text in docstrings(path)
        if re.fullmatch(r"See [^\n]+|See [^\n;:.]+[;:.].*", text.strip(), re.DOTALL)
    ]
    assert not found, "\n".join(found)


def test_texts_name_who_is_meant() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"(?<!`)\b(?:any|every|no|some)body", line, re.IGNORECASE)
    ]
    assert not found, "\n".join(found)


COINED_IN_NAMES = re.compile(
    r"(?<!there )\b(?:is|are) no (?!longer|more|such|one)|\bgo(?:es)? on\b|\b(?:is|are) said\b(?! to)|\btold apart\b"
    r"|\bway out\b|\b(?:any|every|no|some)bodys?\b|\bstands? still\b|\bheld still\b|\bnonsense\b|\bin a circle\b"
    r"|\bstrays?\b|\bpolitely\b|\bfor ever\b|\bany more\b|\bso many\b|\b(?:what|that) do(?:es)? not run\b"
    r"|\bmeans nothing\b"
)


def test_names_of_tests_are_plain_statements() -> None:
    found = [
        f"{path.name}:{node.lineno}: {match.group().strip()!r} in {node.name}"
        for path in sorted(Path(__file__).parent.rglob("test_*.py"))
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if (match := COINED_IN_NAMES.search(node.name.removeprefix("test_").replace("_", " "))) is not None
    ]
    assert not found, "\n".join(found)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand by its name."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        for sub, subcommand in getattr(command, "commands", {}).items():
            yield f"{name} {sub}", subcommand


def test_help_begins_with_a_verb_and_is_plain() -> None:
    for name, command in commands():
        text = command.help or ""
        assert re.match(r"[A-Z][a-z]+ ", text), f"{name}: help must begin with an imperative verb"
        assert not COINED.search(text), text
        for option in command.params:
            if isinstance(option, click.Option):
                words = option.help or ""
                assert re.match(r"(?:Don't|[A-Z][a-z]+)\b.*\.$", words), f"{name} {option.opts[0]}: {words!r}"


ONE_NAME_SEVERAL_MEANINGS = {
    *("--all", "--detach", "--env", "--filter", "--force", "--format", "--json", "--quiet", "--since", "--timeout"),
    *("--timings", "--until", "--wait", "--wait-timeout"),
}
"""Options that cannot have the same words in all commands."""


def test_an_option_has_the_same_words_in_all_commands() -> None:
    found: dict[str, dict[str, list[str]]] = {}
    for name, command in commands():
        for option in command.params:
            if isinstance(option, click.Option):
                words = found.setdefault(max(option.opts, key=len), {})
                words.setdefault(option.help or "", []).append(name)
    several = {option: words for option, words in found.items() if len(words) > 1}
    assert several.keys() <= ONE_NAME_SEVERAL_MEANINGS, several
    assert len(several["--timeout"]) == 2, "to stop, and to wait"
    ends = {text.rpartition(" after this time")[2] for text in several["--wait-timeout"]}
    assert ends == {", such as `90s` (exit code 124)."}


ROOT = PACKAGE.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
WIDTH = 100


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a Markdown text outside of code, tables and headings, with their numbers."""
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code and not line.lstrip().startswith(("|", "#", "<")):
            yield number, line


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_are_wrapped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # A single word, such as a link, may be longer.
    long = [number for number, line in prose(text) if len(line) > WIDTH and " " in line.strip(" -")]
    assert not long, f"{path.relative_to(ROOT)}: wrap these lines at {WIDTH}: {long}"


def test_pages_begin_with_what_can_be_done_after_them() -> None:
    # The others say at their beginning what they are: a project, its history, its promises.
    others = {"README.md", "CHANGELOG.md", "SECURITY.md"}
    pages = [path for path in DOCUMENTS if str(path.relative_to(ROOT)) not in others]
    begin = re.compile(r"# [^\n]+\n\nAfter this (page|example) you ")
    assert not [path.name for path in pages if not begin.match(path.read_text(encoding="utf-8"))]


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """The paragraphs of the prose of a Markdown text, each on one line, with the number of its first line.

    Inline code is left out: it may quote a message, or name a user such as `nobody`.
    """
    blocks: list[tuple[int, list[str]]] = []
    last = -1
    for number, line in prose(text):
        if not line.strip():
            continue
        if number != last + 1 or re.match(r"\s*(?:[-*]|\d+\.) ", line):
            blocks.append((number, []))
        blocks[-1][1].append(line.strip())
        last = number
    for number, lines in blocks:
        yield number, re.sub(r"`[^`]*`", "``", " ".join(lines))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_no_coined_phrases(path: Path) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {phrase.group().strip()!r} in {text[:80]!r}"
        for number, text in paragraphs(path.read_text(encoding="utf-8"))
        for phrase in COINED.finditer(text)
    ]
    assert not found, "\n".join(found)
