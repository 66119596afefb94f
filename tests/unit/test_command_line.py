"""Argument vectors as people read them."""

from __future__ import annotations

import shlex

from sbxcompose.command_line import command_line
from tests.support.cases import each_case


@each_case(
    "command, line",
    [
        (("serve", "--name", "", "a b", "$HOME"), "serve --name '' 'a b' '$HOME'"),
        (("sh", "-c", "curl -f  localhost |\n  grep ok\n"), "curl -f  localhost | grep ok"),
        (["sh", "-c", "test -e warm"], "test -e warm"),
        (("sh", "-c", "echo $1", "sh", "x y"), "sh -c 'echo $1' sh 'x y'"),
        (("sh", "-c"), "sh -c"),
        ((), ""),
    ],
)
def test_a_command_can_be_copied_into_a_shell(command: tuple[str, ...], line: str) -> None:
    assert command_line(command) == line


def test_what_is_shown_of_a_list_is_that_list_to_a_shell() -> None:
    words = ["printf", "%s", "", " ", "it's", '"', "\\", "*", "a;b"]
    assert shlex.split(command_line(words)) == words


def test_secrets_are_masked_with_and_without_quotes() -> None:
    assert command_line(("login", "--password=hunter 2"), lambda text: text.replace("hunter 2", "***")) == (
        "login '--password=***'"
    )
