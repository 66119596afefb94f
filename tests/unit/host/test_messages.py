"""Bodies of strangers: read, or refused with all that is wrong with them."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.models import HealthCheckConfig, Message, RestartConfig, StartRequest
from sbxcompose.api.sandbox_models import CreateRequest
from sbxcompose.host.http.validation import Invalid, read, read_object
from sbxcompose.host.routes.batch import Batch
from sbxcompose.host.routes.run import RunOptions
from tests.support.cases import each_case

M = TypeVar("M", bound=Message)


def read_value(cls: type[M], body: dict[str, Any]) -> M:
    return read(cls, json.dumps(body).encode())


def test_the_least_that_is_asked_for_has_the_contracts_defaults() -> None:
    assert read_value(StartRequest, {"command": "x"}) == StartRequest(command="x")


def test_everything_is_read() -> None:
    body = {
        "command": "x",
        "args": ["a"],
        "env": {"A": "b"},
        "user": {"uid": 1, "gid": 2},
        "stdin_mode": "pipe",
        "restart": {"policy": "always", "max_restarts": 3},
        "health_check": {"type": "http", "port": 80, "path": "/x"},
    }
    assert read_value(StartRequest, body) == StartRequest(
        command="x",
        args=["a"],
        env={"A": "b"},
        user={"uid": 1, "gid": 2},
        stdin_mode="pipe",
        restart=RestartConfig(policy="always", max_restarts=3),
        health_check=HealthCheckConfig(type="http", port=80, path="/x"),
    )


def test_null_stands_for_the_default_and_unknown_fields_are_ignored() -> None:
    body = {"command": "x", "args": None, "env": None, "restart": None, "stop_grace_ms": None, "color": 1}
    assert read_value(StartRequest, body) == StartRequest(command="x")


@each_case(
    "fields, words",
    [
        ({"command": None}, "command is missing"),
        ({"command": 3}, "command must be a string"),
        ({"command": "a\0b"}, "command contains a NUL character"),
        ({"args": "x"}, "args must be a list"),
        ({"args": ["x", 1]}, "args[1] must be a string"),
        ({"args": ["\ud800"]}, "the body contains an unpaired surrogate"),
        ({"args": ["x", "\0"]}, "args contains a NUL character"),
        ({"success_exit_codes": [1, 2.5]}, "success_exit_codes[1] must be a whole number"),
        ({"env": {"A": 1}}, "env must be an object, each value a string"),
        ({"env": []}, "env must be an object"),
        ({"env": {"A\0": "x"}}, "env contains a NUL character"),
        ({"user": 3}, "user must be a string or an object"),
        ({"stdin_mode": "tty"}, "stdin_mode must be one of `closed`, `pipe`"),
        ({"stop_signal": 0}, "stop_signal must be a whole number from 1 to 64"),
        ({"stop_grace_ms": -1}, "stop_grace_ms must be a whole number from 0"),
        ({"stop_grace_ms": 1.5}, "stop_grace_ms must be a whole number"),
        ({"restart": "always"}, "restart must be an object"),
        ({"restart": {"policy": "sometimes"}}, "restart.policy must be one of"),
        ({"restart": {"max_restarts": True}}, "restart.max_restarts must be a whole number"),
        ({"health_check": {}}, "health_check.type is missing"),
        ({"health_check": {"type": "tcp", "port": 65536}}, "health_check.port must be a whole number from 1"),
    ],
)
def test_a_mistake_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid) as raised:
        read_value(StartRequest, {"command": "x", **fields})
    assert words in str(raised.value)
    assert raised.value.status == 422


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(Invalid, match=r"args .*; env .*; restart\.policy .*"):
        read_value(StartRequest, {"command": "x", "args": 1, "env": 1, "restart": {"policy": 1}})


def test_lists_of_objects_and_booleans() -> None:
    assert read_value(CreateRequest, {"file_systems": [{"a": 1}], "wait": False}).file_systems == [{"a": 1}]
    words = (
        r"exposed_ports must be a list, each entry a whole number from 1 to 65535; "
        r"file_systems\[0\] must be an object; wait must be true or false"
    )
    with pytest.raises(Invalid, match=words):
        read_value(CreateRequest, {"file_systems": [1], "exposed_ports": 1, "wait": "no"})


@each_case("body", [b"{", b"nope", b"\xff", b"[" * 100_000, b'{"a": }'])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(Invalid, match="the body is not JSON") as raised:
        read_object(body)
    assert raised.value.status == 400


@each_case("body", [b"[]", b"1", b'"x"', b"null"])
def test_what_is_not_an_object_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="must be a JSON object"):
        read_object(body)


def test_an_empty_body_is_an_empty_object() -> None:
    assert read_object(b"") == read_object(b" \n") == {}
    assert read(CreateRequest, b"") == CreateRequest()


def test_numbers_that_json_does_not_have_are_named() -> None:
    with pytest.raises(Invalid, match="the body contains NaN, which is not a JSON number"):
        read(RunOptions, b'{"timeout": NaN}')


@each_case("value", [0, -1, True, "1", 1e12])
def test_a_float_has_its_limits_named(value: object) -> None:
    with pytest.raises(Invalid, match="timeout must be a number above 0, at most 315360000"):
        read_value(RunOptions, {"timeout": value})


def test_what_is_decoded_later_is_not_a_reason_to_refuse_the_rest() -> None:
    operation = r'{"op": "start", "args": ["\u0000", "\\u0000"]}'
    found = read(Batch, b'{"env": null, "operations": [%s]}' % operation.encode())
    assert [bytes(one_operation).decode() for one_operation in found.operations] == [operation]
    with pytest.raises(Invalid, match=r"env must be an object, each value a string; operations must be a list"):
        read(Batch, b'{"env": 1, "operations": 1}')


def test_a_backslash_before_u0000_is_text() -> None:
    assert read_value(StartRequest, {"command": r"\u0000"}).command == r"\u0000"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(StartRequest.__struct_fields__), JSON))
def test_no_body_does_anything_but_be_read_or_be_refused(body: dict[str, Any]) -> None:
    try:
        message = read_value(StartRequest, body)
    except Invalid as refused:
        assert str(refused)  # noqa: PT017 -- either of the two is right
    else:
        assert read_value(StartRequest, message.write()) == message
