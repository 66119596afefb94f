"""What another reading of the file may not change while the project is up."""

from __future__ import annotations

import pytest

from sbxcompose.engine.reload import check_place
from sbxcompose.errors import SpecError
from tests.support.cases import each_case
from tests.support.spec_files import load

FILE = """
name: shop
sandboxes:
  app: {processes: {web: {command: web}}}
  agent: {processes: {agent: {command: agent}}}
"""


@each_case(
    "other, changed",
    [
        (FILE.replace("shop", "other"), "name"),
        (f"provider: tensorlake\n{FILE}", "provider"),
        (FILE.replace("agent: {", "agent: {provider: tensorlake, ", 1), "provider of sandbox agent"),
        (FILE.replace("app: {", "app: {name: elsewhere, "), "name of sandbox app"),
    ],
)
def test_where_processes_run_does_not_change_under_them(other: str, changed: str) -> None:
    with pytest.raises(SpecError, match=f"^the {changed} has changed$") as error:
        check_place(load(FILE), load(other))
    assert "`sbxcompose down` with the old file" in str(error.value.hint)


def test_what_says_the_same_in_other_words_and_what_comes_and_goes_is_fine() -> None:
    check_place(load(FILE), load(FILE.replace("agent: {", "agent: {provider: local, ", 1)))
    check_place(load(FILE), load(FILE.replace("agent", "helper")))
