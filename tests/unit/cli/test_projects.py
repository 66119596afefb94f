"""The table of `ls`."""

from __future__ import annotations

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.projects import lines, to_json
from sbxcompose.engine.projects import KnownProject, KnownSandbox


def test_the_age_of_a_project_is_not_how_long_something_has_been_running() -> None:
    shop = KnownProject("shop", "/nowhere/shop", (KnownSandbox("main", "shop-main", "running", 0),), 100.0)
    assert [line.split() for line in lines([shop], 220.0, Style(False))] == [
        ["NAME", "RUNNING", "CREATED", "SANDBOXES", "FOLDER"],
        ["shop", "0", "2m", "ago", "main", "/nowhere/shop", "(gone)"],
    ]


def test_a_narrow_terminal_does_without_columns_and_the_end_of_the_folder() -> None:
    folder = "/nowhere/with/a/long/name/shop"
    shop = KnownProject("shop", folder, (KnownSandbox("main", "shop-main", "running", 2),), 100.0)
    for width in (30, 40, 60):
        shown = lines([shop], 220.0, Style(False), width)
        assert all(len(line) <= width for line in shown)
        assert shown[1].startswith("shop")
    assert lines([shop], 220.0, Style(False), 30)[0].split() == ["NAME", "RUNNING", "FOLDER"]


def test_a_long_name_leaves_space_for_the_folder() -> None:
    shop = KnownProject("x" * 63, "/nowhere/shop", (KnownSandbox("main", "shop-main", "running", 2),), 100.0)
    shown = lines([shop], 220.0, Style(False), 40)
    assert shown[1] == f"{'x' * 17}…  /nowhere/shop (gone)"
    assert lines([shop], 220.0, Style(False))[1].startswith("x" * 63)


def test_where_processes_cannot_be_counted_the_sandboxes_that_run_are() -> None:
    sandboxes = (KnownSandbox("app", "shop-app", "running", None), KnownSandbox("db", "shop-db", "suspended", None))
    shop = KnownProject("shop", None, sandboxes, 100.0)
    assert lines([shop], 220.0, Style(False))[1].split("  ")[1] == "1 sandbox"
    assert lines([KnownProject("shop", None, sandboxes[1:], 100.0)], 220.0, Style(False))[1].split()[1] == "-"
    assert [sandbox["since"] for sandbox in to_json(shop)["sandboxes"]] == [None, None]
