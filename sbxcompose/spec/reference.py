"""The tables of `docs/spec.md`, made from the models; `python -m sbxcompose.spec.reference docs/spec.md`
renews them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from sbxcompose.spec.schema import generate

_MARK = re.compile(r"(<!-- keys of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(text: str) -> str:
    """Return the page with the table behind each `<!-- keys of X -->` made anew."""
    schema = json.loads(generate())
    tables = {"Project": schema, **schema["$defs"]}
    return _MARK.sub(lambda found: f"{found[1]}{_table(tables[found[2]])}{found[3]}", text)


def _table(schema: dict[str, Any]) -> str:
    required = schema.get("required") or schema.get("anyOf", [{}])[0].get("required", [])
    rows = ["| key | takes | default | what it means |", "|---|---|---|---|"]
    for key, key_schema in schema["properties"].items():
        default = "required" if key in required else _default(key_schema.get("default"))
        rows.append(
            f"| `{key}` | {_forms(key_schema)} | {default} | {key_schema['description'].replace('|', chr(92) + '|')} |"
        )
    return "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    if value is None:
        return ""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _forms(schema: dict[str, Any]) -> str:
    """Return the forms of a value in a few words."""
    forms = schema.get("anyOf", [schema])
    words = dict.fromkeys(word for word in map(_form, forms) if word)
    return " or ".join(words).replace("|", "\\|")


def _form(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "" if name == "Interpolated" else f"[{name}](#{name.lower()})"
    if "enum" in schema and "examples" not in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const']).strip(chr(34))}`"
    kind = schema.get("type")
    if isinstance(kind, list):
        return "text"
    if kind == "array":
        return f"list of {_forms(schema['items'])}"
    if kind == "object":
        values = schema.get("additionalProperties", {})
        return f"names to {_forms(values)}" if values else "mapping"
    if kind in ("string", None) and "examples" in schema:
        return ", ".join(f"`{example}`" for example in schema["examples"])
    plain = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
    return plain.get(str(kind), "")


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")
