"""Templates as Docker has them for `--format`: `{{.Name}}`, `{{json .}}`, and `table` before them for columns. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.table import plain_lines
from sbxcompose.cli.view.text_table import TextTable
from sbxcompose.errors import UsageError
from sbxcompose.similar import did_you_mean

_PART = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_FIELD = re.compile(r"(json\s+)?\.(\w*)")
_ESCAPES = {r"\t": "\t", r"\n": "\n"}
_ALIASES = {"names": "Name", "container": "Name", "ports": "Port", "runningfor": "Uptime", "createdat": "StartedAt"}
"""Docker's names of fields, where they differ."""


class Template:
    """A template over named fields. Raises `UsageError` for one that cannot be filled in."""

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        self.has_header = text == "table" or text.startswith("table ")
        text = text.removeprefix("table").lstrip(" ") if self.has_header else text
        for written, meant in _ESCAPES.items():
            text = text.replace(written, meant)
        self._text = text
        self._fields = {name.lower(): name for name in fields}
        aliases = {alias: name for alias, name in _ALIASES.items() if name in fields}
        self._names = aliases | self._fields
        for part in _PART.findall(text):
            self._read(part)
        if not _PART.search(text):
            raise UsageError(
                f"invalid value `{text}` for `--format`; expected `table`, `json` or a template",
                hint="example: `--format '{{.Name}} {{.Status}}'`",
            )

    def _read(self, part: str) -> tuple[bool, str]:
        """Return whether a part wants JSON, and the name of its field; "" for all of them."""
        found = _FIELD.fullmatch(part)
        if found is None or (not found[2] and not found[1]):
            hint = "a template has `{{.FIELD}}`, `{{json .FIELD}}` or `{{json .}}`"
            raise UsageError(f"cannot use `{{{{{part}}}}}` in `--format`", hint=hint)
        if not found[2]:
            return True, ""
        if found[2].lower() not in self._names:
            known = list(self._fields.values())
            otherwise = f"fields: {', '.join(known)}"
            raise UsageError(f"no field `{found[2]}` for `--format`", hint=did_you_mean(found[2], known, otherwise))
        return bool(found[1]), self._names[found[2].lower()]

    def lines(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the template filled in for each row; with `table` in columns below a header."""
        filled = [self._fill(row) for row in rows]
        if not self.has_header:
            return filled
        header = _PART.sub(lambda found: self._read(found[1])[1].upper(), self._text).split("\t")
        cells = [line.split("\t") for line in filled]
        count = max(map(len, [header, *cells]))
        padded = [row + [""] * (count - len(row)) for row in [header, *cells]]
        return plain_lines(TextTable(padded[0], padded[1:]), Style(enabled=False))

    def _fill(self, row: Mapping[str, Any]) -> str:
        def value(found: re.Match[str]) -> str:
            as_json, name = self._read(found[1])
            if not name:
                return json.dumps(dict(row), ensure_ascii=False)
            return json.dumps(row[name], ensure_ascii=False) if as_json else _words(row[name])

        return _PART.sub(value, self._text)


def chosen_format(text: str | None, fields: Sequence[str]) -> tuple[bool, Template | None]:
    """Return whether `--format` wants JSON, and the template if it is one. Raises `UsageError`."""
    if text in (None, "table", "json"):
        return text == "json", None
    return False, Template(text, fields)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{name}={text}" for name, text in value.items())
    return str(value)
