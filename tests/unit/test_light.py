"""JSON without the module `json`, which must not differ from it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from sbxcompose import light
from tests.support.cases import each_case


@each_case(
    "value",
    [
        {},
        {"a": [1, {"b": [None, True, False]}], "c": ""},
        'quotes " and \\ and \n and \x00 and é and \U0001f600',
        b"\xff.txt".decode(errors="surrogateescape"),
        [0, -1, 2**70, 0.1, -1e300, math.inf, -math.inf],
        {1: "x"},
        [(1, (2,))],
    ],
)
def test_values_are_written_and_read_as_json_does(value: Any) -> None:
    written = light.dumps(value)
    assert written == json.dumps(value, separators=(",", ":")).encode()
    assert light.loads(written) == json.loads(written)
    assert light.loads(bytearray(b"\n " + json.dumps(value, indent=1).encode() + b"\t\r\n")) == json.loads(written)


@each_case("text", [b"", b"  ", b'{"a": [1', b"{} {}", b"nonsense", b'"\xff"', b'"\n"'])
def test_what_json_refuses_is_refused(text: bytes) -> None:
    for read in (json.loads, light.loads):
        with pytest.raises(ValueError, match=r"."):
            read(text)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="set cannot be written as JSON"):
        light.dumps({"a": {1}})


def test_an_interpreter_without_these_functions_uses_the_module() -> None:
    scan, encode = light._in_python()
    assert scan('{"a": 1}', 0) == ({"a": 1}, 8)
    assert "".join(encode({"a": [1, 2]}, 0)) == '{"a":[1,2]}'
