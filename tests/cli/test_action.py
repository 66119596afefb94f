"""The GitHub action at the repository's root: its step is run as a runner does, with the installed command."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command import COMMAND, Sbx

ROOT = Path(__file__).parent.parent.parent


def action() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    return loaded


def bring_up(sbx: Sbx, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the step that brings a project up, with these inputs and the defaults of the others."""
    found = action()
    given = {name: str(value["default"]) for name, value in found["inputs"].items()} | inputs
    step = next(step for step in found["runs"]["steps"] if step["name"] == "Bring the project up")
    env = {
        name: given[str(value).removeprefix("${{ inputs.").removesuffix(" }}")] for name, value in step["env"].items()
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=sbx.project / given["directory"],
        env={**sbx.env, **env, "PATH": f"{COMMAND.parent}:{sbx.env['PATH']}", "GITHUB_ACTIONS": "true"},
        capture_output=True,
        text=True,
    )


def test_it_brings_a_project_up_and_reports(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: exec sleep 1000}, job: {command: 'true', restart: never, profiles: [x]}}\n")
    done = bring_up(sbx, junit="report.xml")
    assert done.returncode == 0, done.stderr
    assert 'name="web"' in (sbx.project / "report.xml").read_text()
    assert {row["name"] for row in sbx.run("ps", "--json").json} == {"web"}


def test_it_fails_as_the_project_does(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: exit 3, restart: never}, other: {command: exec sleep 1000}}\n")
    failed = bring_up(sbx, processes="web")
    assert failed.returncode == 1
    assert "::error title=web failed" in failed.stderr


def test_processes_may_stand_one_a_line(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: exec sleep 1000}, db: {command: exec sleep 1000}, x: {command: 'false'}}\n")
    assert bring_up(sbx, processes="web\ndb\n").returncode == 0
    assert {row["name"] for row in sbx.run("ps", "--json").json if row["pid"]} == {"web", "db"}


def test_profiles_are_enabled_and_must_exist(sbx: Sbx) -> None:
    job = "{command: exec sleep 1000, profiles: [%s]}"
    sbx.write(f"processes: {{web: {{command: exec sleep 1000}}, a: {job % 'x'}, b: {job % 'y'}}}\n")
    assert bring_up(sbx, profiles="x, y").returncode == 0
    assert {row["name"] for row in sbx.run("ps", "--json").json if row["pid"]} == {"web", "a", "b"}
    mistaken = bring_up(sbx, profiles="x,z")
    assert mistaken.returncode == 2
    assert "no profile named `z`" in mistaken.stderr


def test_an_old_python_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    step = action()["runs"]["steps"][0]
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("::error::sbxcompose needs Python 3.11 or newer")


@pytest.mark.parametrize("value", ["$(touch hacked)", "a; touch hacked", "`touch hacked`", "--detach"])
def test_inputs_are_never_run(sbx: Sbx, value: str) -> None:
    sbx.write("processes: {web: {command: exec sleep 1000}}\n")
    assert bring_up(sbx, processes=value).returncode == 2
    assert bring_up(sbx, timeout=value).returncode == 2
    assert not (sbx.project / "hacked").exists()
