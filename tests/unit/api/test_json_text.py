"""JSON of our own messages, whatever is in it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from sbxcompose.api.json_text import decode, encode
from sbxcompose.api.models import ProcessInfo, RestartConfig, StartRequest
from tests.support.cases import each_case


@each_case(
    "value", [{"a": [1, 2.5, None, True]}, {"a": "\udcff"}, "ü\n\x00😀", 2**70, {"env": {"A": "\ud800", "B": "b"}}]
)
def test_comes_back_as_it_was(value: object) -> None:
    assert decode(encode(value)) == json.loads(encode(value)) == value


def test_our_messages_are_written_with_all_their_fields() -> None:
    info = ProcessInfo(pid=1, status="running", command="sleep", started_at=2)
    assert decode(encode(info)) == info.write()


@pytest.mark.parametrize("variable", ["plain", "\udc80"])
def test_messages_within_messages(variable: str) -> None:
    request = StartRequest(command="true", env={"A": variable}, restart=RestartConfig(policy="never"))
    assert decode(encode({"request": request}))["request"] == request.write()


def test_what_is_not_a_number_is_read() -> None:
    assert math.isnan(decode(b"[NaN]")[0])


def refusal(read: Callable[[bytes], object], data: bytes) -> str | None:
    try:
        read(data)
    except ValueError as error:
        return str(error)
    return None


@each_case("data", [b"", b"nope", b"\xff", b"{}}"])
def test_what_is_not_json_is_refused_as_by_the_standard_library(data: bytes) -> None:
    words = refusal(decode, data)
    assert words is not None
    assert words == refusal(json.loads, data)
