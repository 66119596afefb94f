"""The public Python API: exactly these names, each with a description, each importable."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

import sbxcompose
import sbxcompose.sync
from sbxcompose import errors
from tests.support.cases import each_case

PUBLIC = [
    "AppliedChanges",
    "CopiedFiles",
    "FinishedCommand",
    "ForwardedPort",
    "OpenProject",
    "OutputLine",
    "PlannedStep",
    "ProcessDefinition",
    "ProcessExit",
    "ProcessExplanation",
    "ProcessState",
    "ProcessStats",
    "ProcessStatus",
    "ProjectDefinition",
    "ProjectEvent",
    "ProjectPlan",
    "ProjectStats",
    "SandboxStats",
    "__version__",
    "errors",
    "load",
    "open_project",
    "sync",
]
METHODS = [
    "close",
    "cp",
    "definition",
    "down",
    "events",
    "exec",
    "follow_stats",
    "kill",
    "logs",
    "name",
    "pause",
    "plan",
    "port",
    "ps",
    "restart",
    "run",
    "scale",
    "start",
    "stats",
    "stop",
    "unpause",
    "wait_for_exit",
    "why",
]


def public(thing: object) -> list[str]:
    kinds = inspect.getmro(thing) if inspect.isclass(thing) else (thing,)
    return sorted({name for kind in kinds for name in vars(kind) if not name.startswith("_")})


def test_these_names_are_public_and_no_others() -> None:
    assert sbxcompose.__all__ == PUBLIC
    assert sbxcompose.sync.__all__ == ["SyncProject", "open_project"]


def test_a_project_has_these_methods_and_the_synchronous_one_the_same_but_for_close() -> None:
    assert public(sbxcompose.OpenProject) == sorted([*METHODS, "up", "wait"])
    assert public(sbxcompose.sync.SyncProject) == sorted({*METHODS, "up", "wait"} - {"close"})


@each_case("name", PUBLIC)
def test_each_can_be_imported_and_is_listed(name: str) -> None:
    assert getattr(sbxcompose, name) is not None
    assert name in dir(sbxcompose)
    assert getattr(importlib.import_module("sbxcompose"), name) is getattr(sbxcompose, name)


@each_case("name", [name for name in PUBLIC if name[0].isupper()])
def test_values_are_described_and_cannot_be_changed(name: str) -> None:
    kind = getattr(sbxcompose, name)
    assert kind.__doc__
    if name not in ("OpenProject", "ProcessState"):
        assert kind.__struct_config__.frozen


def test_methods_are_described_and_typed() -> None:
    for name in public(sbxcompose.OpenProject):
        member = inspect.getattr_static(sbxcompose.OpenProject, name)
        function = member.fget if isinstance(member, property) else member
        assert function is not None
        assert inspect.getdoc(function), name
        assert inspect.signature(function).return_annotation is not inspect.Signature.empty, name


def test_the_synchronous_methods_keep_description_and_parameters() -> None:
    for name in ("up", "logs", "exec", "events", "stats", "port"):
        own, other = getattr(sbxcompose.sync.SyncProject, name), getattr(sbxcompose.OpenProject, name)
        assert own.__doc__ == other.__doc__
        assert inspect.signature(own) == inspect.signature(other)


def test_the_documentation_has_every_argument_of_every_method() -> None:
    page = (Path(__file__).parents[3] / "docs" / "python.md").read_text(encoding="utf-8")
    table = page.partition("| argument | of | as |")[2].partition("\n\n")[0]
    documented = {
        (method, argument)
        for row in table.splitlines()[2:]
        for argument in re.findall(r"`(\w+=\w+)`", row.split("|")[1])
        for method in re.findall(r"`(\w+)`", row.split("|")[2])
    }
    expected = {
        (name, f"{argument.name}={argument.default}")
        for name, method in inspect.getmembers(sbxcompose.OpenProject, callable)
        if not name.startswith("_")
        for argument in inspect.signature(method).parameters.values()
        if argument.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert documented == expected


def test_loading_and_opening_take_the_same_arguments() -> None:
    expected = inspect.signature(sbxcompose.load).parameters
    assert inspect.signature(sbxcompose.open_project).parameters == expected


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonesuch'"):
        sbxcompose.nonesuch  # noqa: B018


def test_every_error_is_an_sbx_error() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    assert all(issubclass(kind, errors.SbxError) for kind in kinds)
