"""Words for what a value must be, from the type that it is decoded as. Imported for the first mistake only."""

from __future__ import annotations

from typing import Any

from msgspec import inspect


def expected_text(kind: Any, *, entry: bool = False) -> str:
    """Say what a value of that type is, or with `entry` an entry of such a list; completes "x must be …"."""
    found = inspect.type_info(kind)
    if not entry:
        return _words(found)
    return " or ".join(
        _words(alternative.item_type)
        for alternative in _alternatives(found)
        if isinstance(alternative, inspect.ListType)
    )


def _words(found: Any) -> str:
    match found:
        case inspect.UnionType():
            return " or ".join(_words(alternative) for alternative in _alternatives(found))
        case inspect.Metadata(type=inner):
            return _words(inner)
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(f"`{value}`" for value in values)
        case inspect.IntType(ge=int(low), le=int(high)):
            return f"a whole number from {low} to {high}"
        case inspect.IntType():
            return "a whole number"
        case inspect.FloatType(gt=int() | float() as low, le=int() | float() as high):
            return f"a number above {low:g}, at most {high:.0f}"
        case inspect.FloatType():
            return "a number"
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType():
            return "a string"
        case inspect.ListType(item_type=inspect.RawType()):
            return "a list"
        case inspect.ListType(item_type=item):
            return f"a list, each entry {_words(item)}"
        case inspect.DictType(value_type=value) if not isinstance(value, inspect.AnyType):
            return f"an object, each value {_words(value)}"
    return "an object"


def _alternatives(found: inspect.Type) -> tuple[inspect.Type, ...]:
    types = found.types if isinstance(found, inspect.UnionType) else (found,)
    return tuple(kind for kind in types if not isinstance(kind, inspect.NoneType))
