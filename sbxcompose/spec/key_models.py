"""Fields of the model that validates the file, made from keys that are defined in one place (`spec.keys`)."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec.structs import fields
from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic.fields import FieldInfo

from sbxcompose.spec.fields import AS_NUMBER, TEXT_ITEMS, Boolean, NonEmpty
from sbxcompose.spec.keys import keys_of, without_meta
from sbxcompose.spec.project import Pairs


def model_fields(struct: type) -> dict[str, tuple[Any, FieldInfo]]:
    """Type and field of each key, as `pydantic.create_model` takes them. Raises `TypeError` for an unknown form."""
    defaults = {field.name: field.default for field in fields(struct)}
    return {
        name: (_form(kind), Field(defaults[name], description=meta.description))
        for name, (kind, meta) in keys_of(struct).items()
    }


def _form(hint: Any) -> Any:
    """Return the type in the file of what is read into a value of type `hint`."""
    kind, meta = without_meta(hint)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind == Pairs:
        return _PAIRS
    if kind is bool:
        return Boolean
    if kind is str:
        return NonEmpty
    if kind is int:
        return Annotated[int, Field(ge=meta and meta.ge, le=meta and meta.le), AS_NUMBER]
    if origin is Literal:
        return kind
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return tuple[_form(arguments[0]), ...]  # type: ignore[misc]
    if origin in (Union, UnionType):
        return Union[tuple(argument if argument is NoneType else _form(argument) for argument in arguments)]  # noqa: UP007
    raise TypeError(f"the form of {kind} in the file is not known: write the key out in spec/process_models.py")


_PAIRS = Annotated[
    dict[str, str],
    AfterValidator(lambda values: tuple(sorted(values.items()))),
    WithJsonSchema({"type": "object", "additionalProperties": TEXT_ITEMS}),
]
"""A mapping of names to texts."""
