"""`init`: a first file for a repository, which this command accepts."""

from __future__ import annotations

import pytest

from tests.support.command import Sbx

REPOSITORIES = {
    "node": {"package.json": '{"name": "shop", "scripts": {"dev": "vite"}}'},
    "go": {"go.mod": "module shop\n", "main.go": ""},
    "rust": {"Cargo.toml": "[package]\nname = 'crab'\n", "src/main.rs": ""},
    "make": {"Makefile": "dev:\n\techo hi\n"},
    "compose": {"compose.yaml": "services: {web: {command: run, environment: {A: $B}}}\n"},
    "process-compose": {"process-compose.yaml": "processes: {web: {command: run, availability: {restart: always}}}\n"},
}


@pytest.mark.parametrize("kind", REPOSITORIES)
def test_the_file_is_accepted(dry: Sbx, kind: str) -> None:
    for name, text in REPOSITORIES[kind].items():
        dry.write(text, name)
    done = dry.run("init")
    assert done.stdout == ""
    assert "wrote sbxcompose.yaml" in done.stderr
    text = (dry.project / "sbxcompose.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    dry.run("config", "-q")


def test_the_result_comes_up(sbx: Sbx) -> None:
    sbx.write("dev:\n\t@echo hello; exec sleep 1000\n", "Makefile")
    sbx.run("init")
    sbx.run("up", "-d", "--wait")
    sbx.run("down")


def test_an_existing_file_is_kept_unless_forced(dry: Sbx) -> None:
    dry.write("mine\n")
    dry.write("dev:\n\tx\n", "Makefile")
    assert "--force" in dry.run("init", code=2).stderr
    assert (dry.project / "sbxcompose.yaml").read_text() == "mine\n"
    assert "command: make dev" in dry.run("init", "--stdout").stdout
    dry.run("init", "--force")
    assert "command: make dev" in (dry.project / "sbxcompose.yaml").read_text()


def test_a_repository_that_tells_nothing(dry: Sbx) -> None:
    refused = dry.run("init", code=2)
    assert "found nothing to run" in refused.stderr
    assert "hint:" in refused.stderr
