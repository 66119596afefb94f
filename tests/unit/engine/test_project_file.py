"""The file that a command which stays reads again: a value, with which the engine needs nobody above it."""

from __future__ import annotations

import pytest

from sbxcompose.engine.project_file import ProjectFile
from sbxcompose.plan.up_terms import EndRule, UpTerms
from sbxcompose.spec.request import LoadRequest
from tests.support.cases import each_case


@each_case(
    "files, variable, again",
    [
        ((), "", True),
        (("sbxcompose.yaml",), "", True),
        (("-",), "", False),
        (("base.yaml", "/dev/fd/63"), "", False),
        ((), "/proc/self/fd/4", False),
        (("sbxcompose.yaml",), "-", True),
    ],
)
def test_a_pipe_is_read_once(files: tuple[str, ...], variable: str, again: bool) -> None:
    request = LoadRequest(directory="/src", files=files, environ={"SBXCOMPOSE_FILE": variable} if variable else {})
    assert ProjectFile(request, UpTerms()).readable_again is again


@pytest.mark.parametrize(
    "rule, ends", [(EndRule(), False), (EndRule(abort_on_exit=True), True), (EndRule(exit_code_from="tests"), True)]
)
def test_an_up_ends_itself_only_where_that_was_asked_for(rule: EndRule, ends: bool) -> None:
    assert rule.ends_itself is ends
