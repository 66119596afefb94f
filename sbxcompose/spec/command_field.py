"""A command in the file: a list of arguments, or a text for `sh -c`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from sbxcompose.spec.fields import TEXT_ITEMS, wrong
from sbxcompose.spec.schema_patterns import NOT_BLANK
from sbxcompose.spec.shell_quotes import unclosed_quote


def _command(value: Any) -> Any:
    if isinstance(value, str):
        if not value.strip():
            raise wrong("the command is empty")
        _check_quotes(value)
        return ("sh", "-c", value)
    if isinstance(value, tuple) and (not value or value[0] == ""):
        raise wrong("the command is empty")
    if isinstance(value, tuple) and len(value) > 2 and value[0] in _SHELLS and value[1] == "-c":
        _check_quotes(value[2], at=(2,))
    return value


_SHELLS = ("sh", "dash", "bash", "/bin/sh", "/bin/dash", "/bin/bash")


def _check_quotes(text: Any, at: tuple[str | int, ...] = ()) -> None:
    """Raise for a text that every shell refuses because a quote is not closed."""
    opens = unclosed_quote(text) if isinstance(text, str) else None
    if opens is not None:
        hint = "close it, or write a backslash before a quote that is meant as it is"
        raise wrong("the quote that opens here is not closed", hint, at, before=text[: opens + 1])


Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_command),
    WithJsonSchema(
        {
            "anyOf": [
                {**TEXT_ITEMS, "pattern": NOT_BLANK},
                {"type": "array", "prefixItems": [{**TEXT_ITEMS, "minLength": 1}], "items": TEXT_ITEMS, "minItems": 1},
            ]
        }
    ),
]
"""The argument vector; a text goes through `sh -c`."""
