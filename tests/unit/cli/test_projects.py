"""The table of `ls`."""

from __future__ import annotations

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.projects import lines
from sbxcompose.engine.projects import KnownProject, KnownSandbox


def test_the_age_of_a_project_is_not_how_long_something_has_been_running() -> None:
    shop = KnownProject("shop", "/nowhere/shop", (KnownSandbox("main", "shop-main", "running", 0),), 100.0)
    assert [line.split() for line in lines([shop], 220.0, Style(False))] == [
        ["NAME", "RUNNING", "CREATED", "SANDBOXES", "FOLDER"],
        ["shop", "0", "2m", "ago", "main", "/nowhere/shop", "(gone)"],
    ]
