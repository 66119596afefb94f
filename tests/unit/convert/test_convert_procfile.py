"""Procfiles -> ours."""

from __future__ import annotations

from sbxcompose.convert.draft import NoteKind
from sbxcompose.convert.write import render
from tests.support.cases import each_case
from tests.unit.convert.test_convert_others import converted, subjects


def test_a_procfile_with_a_name_twice() -> None:
    found = converted("procfile", "web: run\nweb: other\n")
    assert found.processes["web"]["command"] == "run"
    assert [(note.line, note.text) for note in found.notes] == [(2, "`web` is given twice; the second is left out")]


def test_a_line_that_is_left_out_is_reported_with_its_number() -> None:
    found = converted("procfile", "// mine\r\nweb: run\r\nexport A=b\r\n\r\njs@x: node\r\nempty:\r\n")
    assert list(found.processes) == ["web"]
    assert {note.line: note.text.partition(":")[0] for note in found.notes} == {
        1: "a line must be `name",
        3: "a variable is set here, and a line must be `name",
        5: "`js@x` cannot be a name",
        6: "the process `empty` has no command",
    }
    assert "# TODO file:3: a variable is set here" in render(found)


def test_a_procfile_keeps_its_ports_and_dollars() -> None:
    found = converted("procfile", "# x\nweb: run -p $PORT\nworker: work\nrelease: migrate\n")
    web = {"command": "run -p $$PORT", "port": 5000, "restart": "never", "stdin": "pipe"}
    assert found.processes["web"] == web
    assert found.processes["worker"]["env"] == {"PORT": "5100"}
    assert found.top["env_file"] == [{"path": ".env", "required": False}]
    assert subjects(found, NoteKind.MANUAL) == ["release"]


@each_case(
    "line, listens",
    [
        ("api: serve --port $PORT", True),
        ("api: serve -b 0.0.0.0:${PORT:-3000}", True),
        ("web: node index.js", True),
        ("web: bin/rails s -p 3000", False),
        ("web: PORT=3000 bundle exec puma", False),
        ("web: serve 127.0.0.1:8080", False),
        ("worker: bundle exec sidekiq", False),
        ("worker: echo $PORTAL", False),
    ],
)
def test_a_port_without_a_listener_is_only_a_variable(line: str, listens: bool) -> None:
    """Where it is the process's port, it cannot start while another program has it."""
    [process] = converted("procfile", line).processes.values()
    assert (process.get("port"), process.get("env")) == ((5000, None) if listens else (None, {"PORT": "5000"}))
