"""Where a process is defined."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.spec.definition_place import definition_place


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("sbxcompose.yaml", "name: x\nprocesses:\n  web: {command: x}\n  api:\n    command: y\n", 4),
        ("sbxcompose.yaml", "sandboxes:\n  main:\n    processes: {web: x, api: y}\n", 3),
        ("Procfile", "web: x\n\napi: y\n", 3),
        ("sbxcompose.yaml", "processes: {web: x}\n", None),
        ("sbxcompose.yaml", "processes: [", None),
    ],
)
def test_the_line_of_its_name_is_found(tmp_path: Path, name: str, text: str, expected: int | None) -> None:
    path = tmp_path / name
    path.write_text(text)
    found = definition_place([str(path), str(tmp_path / "gone.yaml")], "main", "api")
    assert found == (None if expected is None else (str(path), expected))
