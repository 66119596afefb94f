"""How a route is described: what it takes and what it answers, in few words.

A new route needs an entry in the table of its group (`daemon`, `control` or `own`): a test names those without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from sbxcompose.api.models import Message

Schema = Mapping[str, Any]
BodyContent = type[Message] | Schema | str | None
"""What a body is: JSON of a message, JSON by a schema, a media type that is not JSON, or nothing at all."""

NUMBER: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}
OCTETS = "application/octet-stream"
EVENTS = "text/event-stream"


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path. Errors are the same everywhere, and need not be listed.

    `answers` are by HTTP status; `query` are the parameters by name, those in `needs` required.
    """

    summary: str
    answers: Mapping[int, BodyContent]
    body: BodyContent = None
    query: Mapping[str, Schema] = {}
    needs: tuple[str, ...] = ()


def record(**fields: type[Message] | Schema) -> Schema:
    """Return the schema of an object that has all these fields."""
    return {"type": "object", "properties": {name: of(kind) for name, kind in fields.items()}, "required": [*fields]}


def many(item: type[Message] | Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": of(item)}


def maybe(schema: Schema) -> Schema:
    """Return the same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def whole(low: int, high: int | None = None) -> Schema:
    """Return the schema of a whole number with limits."""
    return {"type": "integer", "minimum": low, **({} if high is None else {"maximum": high})}


def words(*choices: str) -> Schema:
    """One of some words."""
    return {"enum": [*choices]}


def of(item: type[Message] | Schema) -> Schema:
    """Return the schema of a message by reference, or the schema itself."""
    if isinstance(item, type):
        return {"$ref": f"#/components/schemas/{item.__name__}"}
    return item
