"""Decode the bodies of requests as the wire's classes, or name everything that is wrong with them.

msgspec decodes and checks at once. Only a body that it refuses is decoded again field by field, to name each mistake
and to accept what the contract allows: null for a field's default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn, TypeVar, get_args

from msgspec import DecodeError, Raw, ValidationError
from msgspec.json import Decoder
from msgspec.json import decode as decode_json
from msgspec.structs import FieldInfo, fields

from sbxcompose.api.models import Message

M = TypeVar("M", bound=Message)

_NUL = b"\\u0000"
"""How JSON writes a NUL character, whatever else may be written like that."""
_NOT_AN_OBJECT = "the body must be a JSON object"
_ENTRY = re.compile(r" at `\$(\[[0-9]+\])`$")
_fields_of = cache(fields)
_decoder_of = cache(Decoder)


class Invalid(Exception):
    """The body is not what the route takes. `status` is 400 for what is not JSON, 422 for wrong contents."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


def read(cls: type[M], body: bytes | Raw) -> M:
    """Decode a body; an empty one is an empty object, unknown fields are ignored, null stands for the default.

    Raises `Invalid` that names every mistake.
    """
    if _NUL not in bytes(body):
        try:
            message: M = _decoder_of(cls).decode(body)
        except (DecodeError, RecursionError):
            pass
        else:
            return message
    mistakes: list[str] = []
    found = _read_fields(cls, read_object(body), "", mistakes)
    if mistakes:
        raise Invalid("; ".join(mistakes))
    assert isinstance(found, cls)
    return found


def read_object(body: bytes | Raw) -> dict[str, Raw]:
    """Decode a body as a JSON object whose values are decoded later. Raises `Invalid`."""
    if not bytes(body).strip():
        return {}
    try:
        return decode_json(body, type=dict[str, Raw])
    except (DecodeError, RecursionError):
        _refuse(bytes(body))


def _refuse(body: bytes) -> NoReturn:
    """Say why a body is not a JSON object: the standard library names line and column."""
    try:
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the body is not JSON: {error}", 400) from None
    raise Invalid("the body contains an unpaired surrogate" if isinstance(value, dict) else _NOT_AN_OBJECT)


def _refuse_constant(name: str) -> NoReturn:
    raise Invalid(f"the body contains {name}, which is not a JSON number")


def _read_fields(cls: type[Message], parts: Mapping[str, Raw], prefix: str, mistakes: list[str]) -> Message | None:
    """Build the message from its decoded parts; None if there are mistakes, which are added to `mistakes`."""
    before = len(mistakes)
    values: dict[str, Any] = {}
    for field in _fields_of(cls):
        part = bytes(parts.get(field.name, b"null"))
        if part == b"null":
            if field.required:
                mistakes.append(f"{prefix}{field.name} is missing")
        elif (inner := _message_in(field.type)) is not None and part.startswith(b"{"):
            values[field.name] = _read_fields(inner, read_object(part), f"{prefix}{field.name}.", mistakes)
        else:
            try:
                values[field.name] = _read_value(field, part)
            except ValueError as error:
                mistakes.append(f"{prefix}{error}")
    return cls(**values) if len(mistakes) == before else None


def _read_value(field: FieldInfo, part: bytes) -> Any:
    """Decode the value of a field. Raises `ValueError` that says what it must be."""
    try:
        value = decode_json(part, type=field.type)
    except ValidationError as error:
        from sbxcompose.host.http.expected import expected_text  # for mistakes only

        entry = _ENTRY.search(str(error))
        place = entry[1] if entry is not None else ""
        raise ValueError(f"{field.name}{place} must be {expected_text(field.type, entry=bool(place))}") from None
    if _NUL in part and _has_nul(value):
        raise ValueError(f"{field.name} contains a NUL character")
    return value


def _message_in(kind: Any) -> type[Message] | None:
    """Return the class of messages that a type allows, if any."""
    alternatives = (kind, *get_args(kind))
    return next(
        (
            alternative
            for alternative in alternatives
            if isinstance(alternative, type) and issubclass(alternative, Message)
        ),
        None,
    )


def _has_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(item) for pair in value.items() for item in pair)
        case list():
            return any(map(_has_nul, value))
    return False
