"""Quotes of a command that are never closed: shown where they open, if every shell refuses them."""

from __future__ import annotations

import pytest

from sbxcompose.errors import InvalidSpec
from sbxcompose.spec.shell_quotes import unclosed_quote
from tests.support.cases import each_case
from tests.support.spec_files import load


@each_case(
    "text",
    [
        "echo §'hello",
        'echo §"hello',
        "echo 'a' §'b",
        "echo it§'s fine",
        "echo \\' §'",
        "echo 'it\\'s§'",
        'echo "a\\"" §"',
        'echo §"a\\"',
        "echo §\"it's",
        "echo '\"' §\"'",
        'echo "${NAME:-x}" §"$',
        "echo ${NAME} §'",
        "echo a#b §'",
        "echo a\\\n#b §'",
        "# it's a comment\necho §'",
        "echo $1 $? §'",
        "sleep 1\nsleep 2 && echo §'never",
        "§'",
    ],
)
def test_a_quote_that_every_shell_refuses_is_found_where_it_opens(text: str) -> None:
    assert unclosed_quote(text.replace("§", "")) == text.index("§")


@each_case(
    "text",
    [
        "echo 'a b' \"c\" '' \"\"",
        "echo it\\'s",
        'echo "it\'s"',
        "echo 'say \"hi'",
        "echo a # it's a comment",
        "true;#it's\n",
        "cat <<EOF\nit's\nEOF",
        "cat <<-'EOF'\n\tit's\n\tEOF",
        "echo $'it\\'s'",
        "echo `echo it's`",
        'echo "$(echo "it\'s")"',
        "echo $((1 << 2)) '",
        "echo ${x#'}'}",
        'echo "${x:-it\'s}"',
        "exec server\nit's never read",
        "test -e x || exit 0\nit's read now and then",
        "echo 'two\nlines'",
        "echo \\",
        "",
    ],
)
def test_what_a_shell_may_accept_is_accepted(text: str) -> None:
    assert unclosed_quote(text) is None


@each_case(
    "text, name",
    [
        ("web: echo it§'s fine\n", "Procfile"),
        ("a: true\nweb:   echo 'x' §\"y\n", "Procfile"),
        ("processes:\n  web: {command: echo it§'s fine}\n", "sbxcompose.yaml"),
        ("processes:\n  web:\n    command: |\n      echo 'x'\n      echo §'x\n", "sbxcompose.yaml"),
        ("processes:\n  web: {command: [bash, -c, echo §'x]}\n", "sbxcompose.yaml"),
        ("processes:\n  web: {command: x, stop: {command: echo it§'s}}\n", "sbxcompose.yaml"),
        ("processes:\n  web: {command: x, ready_when: {exec: test it§'s}}\n", "sbxcompose.yaml"),
        ("processes: {web: {command: x}}\nsandboxes: {main: {setup: [echo it§'s]}}\n", "sbxcompose.yaml"),
        # In these forms the file has the text in another way: the beginning of the value is shown.
        ('processes:\n  web: {command: §"echo \\"x"}\n', "sbxcompose.yaml"),
        ("processes:\n  web:\n    command: §>\n      echo\n      'x\n", "sbxcompose.yaml"),
        ("processes:\n  web:\n    command: §echo $$X it's\n", "sbxcompose.yaml"),
    ],
)
def test_it_is_shown_where_it_opens(text: str, name: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        load(None, {}, {name: text.replace("§", "")}, named=(name,))
    (mistake,) = caught.value.mistakes
    assert mistake.message == "the quote that opens here is not closed"
    before = text[: text.index("§")]
    assert (mistake.line, mistake.column) == (before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)
    assert "backslash" in (mistake.hint or "")


def test_a_list_goes_through_no_shell() -> None:
    project = load("processes: {web: {command: [echo, it's]}}", {}, {})
    assert [process.command for process in project.processes()] == [("echo", "it's")]
