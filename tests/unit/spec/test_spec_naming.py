from __future__ import annotations

import re

from sbxcompose.spec.fields import full_name_problem
from sbxcompose.spec.naming import sandbox_name, valid_name
from tests.support.cases import each_case
from tests.support.spec_files import load

LONG = "feature-" * 9 + "x"


@each_case(
    "folder,name",
    [
        ("shop", "shop"),
        ("My App_2", "my-app-2"),
        ("2048", "p2048"),
        ("---", "project"),
        ("Café Ünïcode", "cafe-unicode"),
        ("日本", "project-[0-9a-f]{8}"),
        ("shop-店", "shop-[0-9a-f]{8}"),
        ("\udcff", "project"),
        ("x" * 63, "x" * 63),
        ("x" * 64, f"{'x' * 54}-[0-9a-f]{{8}}"),
        (LONG, "(feature-){6}featur-[0-9a-f]{8}"),
    ],
)
def test_the_name_that_a_folder_gives(folder: str, name: str) -> None:
    assert re.fullmatch(name, valid_name(folder))
    assert full_name_problem(valid_name(folder)) is None


@each_case(
    "project,sandbox,name",
    [
        ("shop", "main", "shop-main"),
        ("shop", "API_2", "shop-api-2"),
        ("shop", "x" * 58, f"shop-{'x' * 58}"),
        ("shop", "x" * 59, f"shop-{'x' * 49}-[0-9a-f]{{8}}"),
        (f"{'x' * 53}-y", "main", f"{'x' * 53}-y-main"),
        (f"{'x' * 53}-{'y' * 9}", "main", f"{'x' * 53}-[0-9a-f]{{8}}"),
    ],
)
def test_the_name_of_a_sandbox_at_its_provider(project: str, sandbox: str, name: str) -> None:
    assert re.fullmatch(name, sandbox_name(project, sandbox))
    assert full_name_problem(sandbox_name(project, sandbox)) is None


def test_names_that_are_cut_stay_apart() -> None:
    assert sandbox_name("shop", "x" * 70) != sandbox_name("shop", "x" * 71)
    assert valid_name("x" * 70) != valid_name("x" * 71)


def test_names_of_other_scripts_stay_apart() -> None:
    assert len({valid_name(folder) for folder in ("日本", "中国", "магазин", "shop-店", "shop-所", "shop")}) == 6


def test_a_project_in_a_folder_with_a_long_name() -> None:
    project = load(None, {}, {f"{LONG}/Procfile": "web: x"}, named=(f"{LONG}/Procfile",))
    (sandbox,) = project.sandboxes
    assert full_name_problem(project.name) is None
    assert full_name_problem(sandbox.full_name) is None
