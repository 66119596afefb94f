"""Bodies of strangers: read, or refused with all that is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.api.models import HealthCheckConfig, RestartConfig, StartRequest
from sbxcompose.api.sandbox_models import CreateRequest
from sbxcompose.host.http.validation import Invalid, decode, read


def test_the_least_that_is_asked_for_has_the_contracts_defaults() -> None:
    assert read(StartRequest, {"command": "x"}) == StartRequest(command="x")


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
    assert read(StartRequest, body) == StartRequest(
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
    assert read(StartRequest, body) == StartRequest(command="x")


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"command": None}, "command is missing"),
        ({"command": 3}, "command must be a string"),
        ({"command": "a\0b"}, "command has a NUL character"),
        ({"args": "x"}, "args must be a list"),
        ({"args": [1]}, "args must be a list, each entry a string"),
        ({"args": ["\ud800"]}, "args contains an unpaired surrogate"),
        ({"env": {"A": 1}}, "env must be an object, each value a string"),
        ({"env": []}, "env must be an object"),
        ({"env": {"A\0": "x"}}, "env has a NUL character"),
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
        read(StartRequest, {"command": "x", **fields})
    assert words in str(raised.value)
    assert raised.value.status == 422


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(Invalid, match=r"args .*; env .*; restart\.policy .*"):
        read(StartRequest, {"command": "x", "args": 1, "env": 1, "restart": {"policy": 1}})


def test_lists_of_objects_and_booleans() -> None:
    assert read(CreateRequest, {"file_systems": [{"a": 1}], "wait": False}).file_systems == [{"a": 1}]
    with pytest.raises(Invalid, match="file_systems must be a list, each entry an object; wait must be true or false"):
        read(CreateRequest, {"file_systems": [1], "wait": "no"})


@pytest.mark.parametrize("body", [b"{", b"nope", b"\xff", b"[" * 100_000, b'{"a": }'])
def test_what_is_not_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(Invalid, match="the body is not JSON") as raised:
        decode(body)
    assert raised.value.status == 400


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null"])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="must be a JSON object"):
        decode(body)


def test_an_empty_body_is_an_empty_object() -> None:
    assert decode(b"") == decode(b" \n") == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(StartRequest.__struct_fields__), JSON))
def test_no_body_does_anything_but_be_read_or_be_refused(body: dict[str, Any]) -> None:
    try:
        message = read(StartRequest, decode(json.dumps(body).encode()))
    except Invalid as refused:
        assert str(refused)  # noqa: PT017 -- either of the two is right
    else:
        assert read(StartRequest, json.loads(json.dumps(message.write()))) == message
