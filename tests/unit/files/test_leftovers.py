"""Which temporary files of copies in a sandbox nobody needs any more."""

from __future__ import annotations

import os

import pytest

from sbxcompose.files.leftovers import abandoned, folders, machine, temporary

PLACES = folders("/srv/app/", "tree")
OTHER = "0" * 8 if machine() != "0" * 8 else "1" * 8


def line(pid: int = 7, *, age: str = "new", folder: int = 0, of: str = machine(), suffix: str = "") -> str:
    return f"left {folder} {age} .sbxcompose.cp.{of}.{pid}.0123456789ab{suffix}"


def found(*lines: str, alive: bool = False) -> list[str]:
    return abandoned(lines, PLACES, lambda pid: alive)


def test_what_is_looked_at_is_the_folder_the_one_above_the_new_one_in_it_and_the_shared_one() -> None:
    assert PLACES == ("/srv/app/", "/srv", "/srv/app/tree", "/tmp")
    assert folders("/", "")[:2] == ("/", "/")


def test_a_copy_of_this_machine_has_left_something_once_its_process_is_gone() -> None:
    name = f".sbxcompose.cp.{machine()}.7.0123456789ab"
    told = [line(folder=number, suffix=suffix) for number, suffix in enumerate(("", ".tar", ".tar.part3", ".tar"))]
    wanted = [f"/srv/app/{name}", f"/srv/{name}.tar", f"/srv/app/tree/{name}.tar.part3", f"/tmp/{name}.tar"]
    assert found(*told) == wanted
    assert found(*told, alive=True) == []


@pytest.mark.parametrize("age, gone", [("new", False), ("old", True)])
def test_of_another_machine_only_its_age_is_known(age: str, gone: bool) -> None:
    assert bool(found(line(of=OTHER, age=age))) is gone


def test_other_names_are_let_be() -> None:
    for text in ("left 0 old .sbxcompose.cp.x", "left 9 old .bashrc", line(suffix="/../../etc"), f"{line()} x", ""):
        assert found(text) == []


def test_a_name_tells_whose_it_is() -> None:
    path = temporary("/srv")
    assert path.startswith(f"/srv/.sbxcompose.cp.{machine()}.{os.getpid()}.")
    assert abandoned([f"left 1 old {os.path.basename(path)}"], PLACES) == [], "this process is alive"
    assert path != temporary("/srv")
    assert temporary("").startswith(".sbxcompose.cp.")
