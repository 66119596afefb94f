"""The JSON schema of `sbxcompose.yaml`, made from the models; `python -m sbxcompose.spec.schema` prints
it anew.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

FILE_NAME = "sbxcompose.schema.json"
ID = "https://raw.githubusercontent.com/sbxcompose/sbxcompose/main/schemas/sbxcompose.schema.json"

_EXTENSIBLE = frozenset(("ProjectModel", "SandboxModel", "ProcessModel"))
"""Where `x-` keys are allowed."""
_NULL = {"type": "null"}
_INTERPOLATED = {"$ref": "#/$defs/Interpolated"}


def schema_text() -> str:
    """Return the schema as it is shipped: from the installed package or, in a checkout, from `schemas/`.

    Raises `FileNotFoundError` if the installation is damaged.
    """
    packaged = files("sbxcompose").joinpath("_schemas", FILE_NAME)
    if packaged.is_file():
        return packaged.read_text("utf-8")
    return (Path(__file__).parents[2] / "schemas" / FILE_NAME).read_text("utf-8")


def generate() -> str:
    """Return the schema as the models now are, as text with a line break at the end."""
    from sbxcompose.spec.models import ProjectModel

    raw = ProjectModel.model_json_schema()
    definitions = {_title(name): _definition(name, definition) for name, definition in sorted(raw.pop("$defs").items())}
    definitions["Interpolated"] = {
        "title": "A value with variables",
        "description": "A string in which `${VAR}` is replaced before the value is validated.",
        "type": "string",
        "pattern": r"\$",
    }
    root = _definition("ProjectModel", raw)
    root.pop("title", None)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "sbxcompose.yaml",
        **root,
        "$defs": definitions,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _title(name: str) -> str:
    return name.removesuffix("Model")


def _definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """One model: titles that only repeat the key go, `x-` keys are allowed, a key without a value counts
    as absent.
    """
    cleaned: dict[str, Any] = _clean(schema)
    properties = cleaned.pop("properties", {})
    required = cleaned.get("required", [])
    if "extends" in properties:
        # What it extends may have the keys that it must have.
        cleaned["anyOf"] = [{"required": cleaned.pop("required")}, {"required": ["extends"]}]
    if name in _EXTENSIBLE:
        cleaned["patternProperties"] = {"^x-": {"description": "Any value; it is ignored."}}
    return {
        "title": _title(name),
        "description": cleaned.pop("description"),
        **cleaned,
        "properties": {
            key: _property(key_schema, nullable=key not in required) for key, key_schema in properties.items()
        },
    }


def _property(schema: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    """Return what people read first, then the forms; with `nullable`, nothing at all is one of them."""
    outer = {key: schema[key] for key in ("description", "default", "examples") if key in schema}
    if outer.get("default", ...) in (None, [], {}):
        del outer["default"]
    inner = {key: value for key, value in schema.items() if key not in ("description", "default", "examples")}
    forms = inner["anyOf"] if list(inner) == ["anyOf"] else [inner]
    if nullable and _NULL not in forms:
        forms = [*forms, _NULL]
    return {**outer, **(forms[0] if len(forms) == 1 else {"anyOf": forms})}


def _clean(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_clean(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {**schema, "$ref": schema["$ref"].removesuffix("Model")}
    if isinstance(schema.get("properties"), dict):
        properties = {key: _clean(key_schema) for key, key_schema in schema["properties"].items()}
        rest = {key: _clean(value) for key, value in schema.items() if key not in ("properties", "title")}
        return {**rest, "properties": properties}
    cleaned = {key: value if key in ("default", "examples") else _clean(value) for key, value in schema.items()}
    cleaned.pop("title", None)
    if "anyOf" in cleaned:
        cleaned["anyOf"] = _flattened(cleaned["anyOf"])
    return _with_interpolation(_flattened_names(cleaned))


def _flattened(forms: list[Any]) -> list[Any]:
    """`anyOf` within `anyOf`, and equal alternatives, made one list."""
    flat: list[Any] = []
    for form in forms:
        for alternative in form["anyOf"] if isinstance(form, dict) and list(form) == ["anyOf"] else [form]:
            if alternative not in flat:
                flat.append(alternative)
    return flat


def _flattened_names(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the names of a mapping in one form, without `${VAR}`: keys are taken as they are."""
    names = schema.pop("propertyNames", None)
    if names is not None:
        pattern = names.get("pattern") or names.get("anyOf", [{}])[0].get("pattern")
        schema["propertyNames"] = {"pattern": pattern} if pattern else names
    patterns = schema.pop("patternProperties", None)
    if patterns is not None:
        (pattern, inner), *_ = patterns.items()
        schema["propertyNames"] = {"pattern": pattern}
        # A sandbox without a key of its own is written `app:` and nothing.
        empty = inner.get("$ref") == "#/$defs/Sandbox"
        schema["additionalProperties"] = {"anyOf": [inner, _NULL]} if empty else inner
    return schema


def _with_interpolation(schema: dict[str, Any]) -> dict[str, Any]:
    """Allow `${VAR}` in place of a number, a word or a pattern."""
    kind = schema.get("type")
    leaf = kind in ("integer", "number", "boolean") or "enum" in schema or "const" in schema
    leaf = leaf or (kind == "string" and "pattern" in schema)
    if not leaf:
        return schema
    outer = {key: schema[key] for key in ("description", "default", "examples") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in ("description", "default")}
    return {
        **{key: outer[key] for key in ("description", "default") if key in outer},
        "anyOf": [inner, _INTERPOLATED],
    }


if __name__ == "__main__":
    print(generate(), end="")
