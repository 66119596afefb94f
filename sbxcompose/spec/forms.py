"""The forms that a value may have at a place of the file, in words; read from the JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from sbxcompose.spec.schema import generate, schema_text
from sbxcompose.spec.values import Path

A_LIST = "a list"
_MAPPING = "a mapping (`key: value`)"
_PLAIN = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": A_LIST,
    "object": _MAPPING,
}


def forms_at(path: Path) -> list[str]:
    """Return the forms of the value at a path such as `("processes", "web", "command")`: `text`, `a list`."""
    nodes = [_schema()]
    for step in path:
        nodes = [below for node in nodes for form in _forms(node) for below in _below(form, step)]
    words = [word for node in nodes for form in _forms(node) for word in _words(form)]
    return list(dict.fromkeys(words))


def joined(forms: list[str]) -> str:
    """Return alternatives as people write them: `a`, `a or b`, `a, b or c`."""
    return " or ".join(filter(None, (", ".join(forms[:-1]), *forms[-1:])))


@cache
def _schema() -> dict[str, Any]:
    try:
        text = schema_text()
    except FileNotFoundError:  # a damaged installation: a mistake in a file should still be told
        text = generate()
    schema: dict[str, Any] = json.loads(text)
    return schema


def _forms(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the alternatives of a schema, without references."""
    if "$ref" in node:
        node = _schema()["$defs"][node["$ref"].rpartition("/")[2]]
    if "type" in node or "anyOf" not in node:
        yield node
        return
    for form in node["anyOf"]:
        yield from _forms(form)


def _below(form: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(step, int):
        if "items" in form:
            yield form["items"]
    elif step in form.get("properties", ()):
        yield form["properties"][step]
    elif isinstance(form.get("additionalProperties"), dict):
        yield form["additionalProperties"]


def _words(form: dict[str, Any]) -> list[str]:
    kind = form.get("type")
    if kind == "null" or form.get("pattern") == r"\$":
        return []
    if "examples" in form:
        return [f"text such as `{form['examples'][0]}`"]
    if "enum" in form:
        return [f"`{value}`" for value in form["enum"]]
    if "const" in form:
        return [f"`{json.dumps(form['const'])}`"]
    if kind == "string" and form.get("pattern") == "^/":
        return ["text that begins with `/`"]
    return [_PLAIN["string" if isinstance(kind, list) else str(kind)]]
