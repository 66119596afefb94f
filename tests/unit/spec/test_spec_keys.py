"""Keys that are defined in one place, shown with a process that has some more."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct
from pydantic import BaseModel, ValidationError, create_model

from sbxcompose.api.models import StartRequest
from sbxcompose.engine.requests import start_request
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.base_models import Strict
from sbxcompose.spec.key_models import model_fields
from sbxcompose.spec.keys import keys_of, needs_new_run
from sbxcompose.spec.project import Pairs, Process, Project, Sandbox
from tests.support.cases import each_case


class Sample(Struct, frozen=True):
    """As `Process`, with a key of each form."""

    plain: int = 0
    flag: Annotated[bool, Meta(description="A flag.", extra={"new_run": True})] = False
    text: Annotated[str | None, Meta(description="A text.")] = None
    level: Annotated[int | None, Meta(description="A level.")] = None
    codes: Annotated[tuple[Annotated[int, Meta(ge=0, le=255)], ...], Meta(description="Some codes.")] = ()
    names: Annotated[tuple[str, ...], Meta(description="Some names.")] = ()
    word: Annotated[Literal["a", "b"], Meta(description="A word.")] = "a"
    pairs: Annotated[Pairs, Meta(description="Some pairs.")] = ()


def sample(**values: Any) -> BaseModel:
    model: type[BaseModel] = create_model("SampleModel", __base__=Strict, **model_fields(Sample))  # type: ignore[call-overload]
    return model.model_validate(values)


def test_what_has_a_description_is_a_key() -> None:
    assert list(keys_of(Sample)) == ["flag", "text", "level", "codes", "names", "word", "pairs"]
    assert [name for name, (_, meta) in keys_of(Sample).items() if needs_new_run(meta)] == ["flag"]


def test_keys_have_the_defaults_of_the_value() -> None:
    assert dict(sample()) == {
        "flag": False,
        "text": None,
        "level": None,
        "codes": (),
        "names": (),
        "word": "a",
        "pairs": (),
    }


@each_case(
    "key, given, read",
    [
        ("flag", "true", True),
        ("text", "x", "x"),
        ("level", "7", 7),
        ("codes", (0, "255"), (0, 255)),
        ("names", ("x", "y"), ("x", "y")),
        ("word", "b", "b"),
        ("pairs", {"b": "2", "a": "1"}, (("a", "1"), ("b", "2"))),
    ],
)
def test_a_key_is_read_in_the_form_that_its_type_has_in_the_file(key: str, given: Any, read: Any) -> None:
    assert getattr(sample(**{key: given}), key) == read


@each_case(
    "key, given", [("flag", 1), ("text", ""), ("codes", (256,)), ("names", "x"), ("word", "c"), ("pairs", {"a": 1})]
)
def test_other_values_are_refused(key: str, given: Any) -> None:
    with pytest.raises(ValidationError):
        sample(**{key: given})


def test_a_form_that_is_not_known_must_be_written_out() -> None:
    class Other(Struct):
        odd: Annotated[float, Meta(description="A float.")] = 0.0

    with pytest.raises(TypeError, match="write the key out"):
        model_fields(Other)


def test_a_key_of_the_same_name_travels_in_the_start_request() -> None:
    process = Process("app", "web", ("serve",), "0", user="me", tty=True, success_exit_codes=(3,), secrets=("TOKEN",))
    project = Project("p", "/p", "local", (Sandbox("app", "p-app", (process,)),))
    request = start_request(project, process, Instance("app", "web"), "web.0")
    assert isinstance(request, StartRequest)
    assert (request.user, request.tty, request.success_exit_codes, request.secrets) == ("me", True, [3], ["TOKEN"])
