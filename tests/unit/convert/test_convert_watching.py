"""`develop.watch` of a Compose file -> `watch` of processes."""

from __future__ import annotations

from typing import Any

from tests.support.cases import each_case
from tests.unit.convert.test_convert_compose import converted


@each_case(
    "rule, expected",
    [
        ("{path: ./src, action: restart}", ["./src"]),
        ("{path: ./src, action: sync, target: /app}", None),
        ("{path: ./src, action: sync+restart, target: /app, ignore: [a/]}", [{"path": "./src", "ignore": ["a/"]}]),
        ("{path: package.json, action: rebuild}", ["package.json"]),
        ("{path: p.css, action: sync+exec, target: /x, exec: {command: make css}}",
         [{"path": "p.css", "run": "make css"}]),
    ],
)  # fmt: skip
def test_what_compose_watches_is_watched(rule: str, expected: Any) -> None:
    found = converted(f"services: {{web: {{command: x, develop: {{watch: [{rule}]}}}}}}")
    assert found.processes["web"].get("watch") == expected
    assert any("web.develop" in str(note) for note in found.notes)
