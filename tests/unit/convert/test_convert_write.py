"""The text of a converted file, written by the library or beside it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sbxcompose.convert import write
from sbxcompose.convert.write import render
from tests.support.cases import each_case
from tests.unit.convert.test_convert_others import converted

_TEXTS = (
    *("run", "bin/rails s -p 3000", "/bin/true", "a=b c=d", "x - y", "x -", "a  b", " a", "a ", "", "a: b", "a #b"),
    *("yes", "No", "TRUE", "null", "y", "~", "=", "<<", "e5", "1e5", "0x1F", "12:30", "007", "1_000", "3.5", ".inf"),
    *("2001-12-14", "5000", "٣", "ü", "a\tb", "a\nb", "a\n\n  b\n", "'a'", '"a"', "[a]", "{a}", "&a", "*a", "!a", "|"),
    *(
        "%a",
        "@a",
        "`a`",
        "-",
        "- a",
        "? a",
        "---",
        "...",
        "$$PORT",
        "a\x85b",
        "a\x07b",
        "😀",
        "x" * 999,
        "a b" + " c" * 400,
    ),
)


_VALUES: tuple[Any, ...] = (
    *_TEXTS,
    0,
    -5000,
    True,
    False,
    None,
    1.5,
    {},
    [],
    ["a", "yes", 1],
    ["a b " * 30],
    [{"a": "b"}],
)
_KINDS: tuple[Any, ...] = ("run 1", "5000", "a: b", "", "a\nb", 5, True, None, {}, ["a"])


@each_case("key", ["web", "PORT", "on", "N", "null", "1", "a.b", "a b", "a" * 200, "_", "é", 5])
def test_what_is_written_without_the_library_is_what_it_writes(key: Any) -> None:
    """Each value below one key, and each key above a value of each kind: keys and values are written apart."""
    for value in _VALUES if key == "web" else _KINDS:
        for entry in (value, {key: {key: value}, "other": value}):
            text, wanted = "\n".join(write._entry(key, entry)) + "\n", "\n".join(write._dump({key: entry})) + "\n"
            # Text of several lines is written in another way, which means the same.
            assert text == wanted or ("\n" in str(value) and yaml.safe_load(text) == yaml.safe_load(wanted)), value


def test_the_library_writes_nothing_for_lines_of_a_procfile_that_need_no_quotes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[object] = []

    def dump(value: dict[str, Any]) -> list[str]:
        calls.append(value)
        return []

    monkeypatch.setattr(write, "_dump", dump)
    draft = converted("procfile", "".join(f"web{number}: sleep {number}\n" for number in range(1000)))
    render(draft)
    assert len(draft.processes) == 1000
    assert calls == [draft.top]


def test_a_process_that_needs_quotes_is_read_back_as_it_was() -> None:
    draft = converted("procfile", 'on: echo "a: b" # c\nweb: run 1\n123: x\n')
    assert yaml.safe_load(render(draft))["processes"] == {
        name: dict(keys, restart="never") for name, keys in draft.processes.items()
    }
