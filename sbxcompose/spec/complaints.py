"""What is wrong with a value of the wrong type or size, in words; pure."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import ErrorDetails

from sbxcompose.similar import did_you_mean
from sbxcompose.spec.forms import A_LIST, forms_at, joined
from sbxcompose.spec.values import Path


def complaint(details: ErrorDetails, values: Any) -> tuple[str, str | None]:
    """Return the message about a mistake that pydantic has found in `values`, and what helps."""
    if details["loc"][-1:] == ("[key]",):
        return "a name is empty", None
    path = _written(details["loc"], values)
    return f"{_subject(path)} {_fault(details, path)}", _hint(details, path)


def _written(path: Path, values: Any) -> Path:
    """Return the part of a path that is in the file: a short form has no deeper places."""
    for depth, step in enumerate(path):
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):  # text has no keys
            return path[:depth]
    return path


def _subject(path: Path) -> str:
    """`replicas`, or the list that an entry is in."""
    names = [step for step in path if isinstance(step, str)]
    if not names:
        return "the file"
    return f"an entry of `{names[-1]}`" if isinstance(path[-1], int) else f"`{names[-1]}`"


_TYPES = {f"{kind}_type" for kind in ("string", "int", "float", "bool", "tuple", "dict", "model", "model_attributes")}
_TYPES |= {"int_from_float", "literal_error"}


def _fault(details: ErrorDetails, path: Path) -> str:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    if kind in _TYPES:
        return f"must be {joined(forms_at(path))}, not {_what(value)}"
    bounds = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
    if kind in bounds:
        words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}[bounds[kind]]
        return f"must be {words} {context[bounds[kind]]}, not {_what(value)}"
    if kind == "string_too_short":
        return "is empty"
    if kind == "finite_number":
        return "must be a finite number"
    if kind == "string_unicode":
        return "contains bytes that are not UTF-8"
    return f"is wrong: {details['msg'][:1].lower()}{details['msg'][1:]}"


def _what(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        written = f"{value}"
        return f"the number {written if len(written) <= 20 else written[:17] + '...'}"
    if isinstance(value, str):
        return f"`{value if len(value) <= 40 else value[:37] + '...'}`"
    return "a list" if isinstance(value, tuple) else "a mapping"


def _hint(details: ErrorDetails, path: Path) -> str | None:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if isinstance(value, bool | int | float) and (kind == "string_type" or "text" in forms_at(path)):
        return f'put quotes around it: "{_what(value).removeprefix("the number ")}"'
    if kind == "bool_type" and isinstance(value, str) and value.lower() in ("yes", "on", "no", "off"):
        return f"write `{'true' if value.lower() in ('yes', 'on') else 'false'}`"
    if kind == "literal_error" and isinstance(value, str):
        words = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return did_you_mean(value, words)
    if kind == "tuple_type" and path[-1:] == ("secrets",) and isinstance(value, dict):
        return "`secrets` lists the names of variables whose values are masked, such as `[API_TOKEN]`"
    if kind == "tuple_type" and forms_at(path) == [A_LIST]:
        return _hint_for_list(value)
    return _hint_for_mapping(details, path)


def _hint_for_list(value: Any) -> str:
    entry = f"{value!r}" if isinstance(value, str) and not re.fullmatch(r"[\w./-]+", value) else value
    short = isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) <= 40
    return f"write `{f'[{entry}]' if short else '[...]'}`, or a line that begins with `- ` for each entry"


def _hint_for_mapping(details: ErrorDetails, path: Path) -> str | None:
    kind, value = details["type"], details["input"]
    if kind.startswith("int_") and details["loc"][-2:] == ("http", "port") and isinstance(value, str):
        return "`http` takes a port, a path (`/healthz`), or both: `{port: 8000, path: /healthz}`"
    if not kind.startswith("model"):
        return None
    if path[-2:-1] == ("processes",) and isinstance(value, str | tuple):
        return f"write `command: {value}` below it" if isinstance(value, str) else "write `command: [...]` below it"
    if path[-1:] == ("stop",) and isinstance(value, str):
        return f"write `{{{'grace' if value[:1].isdecimal() else 'signal'}: {value}}}`"
    if path[-1:] == ("health_check",) and type(value) is int:
        return f"write `health_check: {{tcp: {value}}}`, or `{{http: {value}}}`"
    return None
