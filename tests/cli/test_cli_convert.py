"""`convert`: from a file of another tool to one that this command accepts."""

from __future__ import annotations

import pytest

from tests.support.command import Sbx

PROCESS_COMPOSE = """\
version: "0.5"
processes:
  migrate: {command: "echo migrated $GREETING", environment: ["GREETING=hello"], namespace: db}
  web:
    command: "echo serving; exec sleep 1000"
    depends_on: {migrate: {condition: process_completed_successfully}}
    ready_log_line: serving
"""


def test_a_converted_file_comes_up(sbx: Sbx) -> None:
    sbx.write(PROCESS_COMPOSE, "process-compose.yaml")
    done = sbx.run("convert", "-o", "sbxcompose.yaml")
    assert done.stdout == ""
    assert "converted 2 processes from process-compose.yaml to sbxcompose.yaml" in done.stderr
    assert "process-compose.yaml:3: migrate.namespace: `profiles` start some processes only" in done.stderr
    sbx.run("config", "-q")
    sbx.run("up", "-d", "--wait")
    assert "migrate | migrated hello" in sbx.run("logs").stdout
    sbx.run("down")


def test_the_result_goes_to_stdout_and_the_report_to_stderr(dry: Sbx) -> None:
    dry.write("web: run --port $PORT\n", "Procfile.dev")
    done = dry.run("convert")
    assert "command: run --port $$PORT" in done.stdout
    assert done.stderr.startswith("converted 1 process from Procfile.dev\n")
    assert dry.run("convert", "-q").stderr == ""
    assert dry.run("convert", "--from", "procfile", "-", stdin="web: run\n").stdout.count("command: run") == 1


def test_an_existing_file_is_kept_unless_forced(dry: Sbx) -> None:
    dry.write("web: run\n", "Procfile")
    dry.write("mine\n")
    refused = dry.run("convert", "Procfile", "-o", "sbxcompose.yaml", code=2)
    assert "sbxcompose.yaml exists already" in refused.stderr
    assert "--force" in refused.stderr
    assert (dry.project / "sbxcompose.yaml").read_text() == "mine\n"
    dry.run("convert", "Procfile", "-o", "sbxcompose.yaml", "--force")
    assert "command: run" in (dry.project / "sbxcompose.yaml").read_text()


@pytest.mark.parametrize(
    "files, words",
    [
        ({}, ["no file to convert in this directory"]),
        ({"compose.yaml": "services: {}", "Procfile": "a: b"}, ["several files", "`compose.yaml`, `Procfile`"]),
        ({"compose.yaml": "services: {}"}, ["compose.yaml defines no processes"]),
        ({"compose.yaml": "services: [\n"}, ["compose.yaml:1:11", "is not closed"]),
        ({"ecosystem.config.js": "module.exports = require('x')"}, ["is not run", "node -p"]),
    ],
    ids=["none", "several", "empty", "broken", "computed"],
)
def test_what_cannot_be_converted_is_reported_plainly(dry: Sbx, files: dict[str, str], words: list[str]) -> None:
    for name, text in files.items():
        dry.write(text, name)
    refused = dry.run("convert", code=2)
    assert refused.stdout == ""
    assert all(word in refused.stderr for word in words), refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(dry: Sbx, name: str) -> None:
    assert name in dry.run("convert", name, code=2).stderr
