"""JSON of our own messages, by msgspec: five to ten times faster than the standard library, which does the rest.

What msgspec refuses (halves of surrogate pairs, which stand for bytes that are not UTF-8, and numbers that are none)
goes through the standard library, so that nothing is lost by it.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode(value: object) -> bytes:
    """Encode a value as JSON without blanks; our messages (`Struct`) are written with all their fields."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()


def decode(data: bytes) -> Any:
    """Decode a JSON document. Raises `ValueError` as `json.loads` does."""
    try:
        return _decode(data)
    except ValueError:
        return json.loads(data)
