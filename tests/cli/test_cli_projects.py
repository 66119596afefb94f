"""Projects whose folder has moved or is gone: `ls`, the claim on a name, and `-p NAME` without a file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import FOREVER, alive, pids, refused
from tests.support.command import Sbx

FILE = f"""
processes:
  web: {{command: "echo at work; {FOREVER}", ready_when: {{log: at work}}}}
  db: {{command: {FOREVER}}}
"""


def in_folder(sbx: Sbx, name: str) -> Path:
    """A folder with a project whose name belongs to the test."""
    sbx.write(f"name: {sbx.project.name}\n{FILE}", f"{name}/sbxcompose.yaml")
    return sbx.project / name


def listed(sbx: Sbx) -> dict[str, Any]:
    """What `ls` knows of the test's project."""
    (found,) = [item for item in sbx.run("ls", "--json", cwd=Path("/")).json if item["name"] == sbx.project.name]
    assert isinstance(found, dict)
    return found


def finish(sbx: Sbx) -> None:
    sbx.run("-p", sbx.project.name, "down", "--terminate", cwd=Path("/"), code=None)


def test_ls_lists_projects_with_folder_sandboxes_and_what_runs(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    found = listed(sbx)
    assert (found["directory"], found["running"]) == (str(sbx.project), 2)
    assert [sandbox["name"] for sandbox in found["sandboxes"]] == ["main"]
    assert found["since"] is not None
    (line,) = [line for line in sbx.run("ls").stdout.splitlines() if line.startswith(f"{sbx.project.name} ")]
    assert line.split()[1] == "2"
    assert line.endswith(str(sbx.project))
    assert sbx.project.name in sbx.run("ls", "-q").stdout.split()
    pattern = f"name={sbx.project.name[:-1]}?"
    assert [row["name"] for row in sbx.run("ls", "--filter", pattern, "--format", "json").json] == [sbx.project.name]
    assert "no projects" in sbx.run("ls", "--filter", "name=no-such-project").stderr
    assert "write `--filter name=PATTERN`" in refused(sbx, "ls", "--filter", "nam=x")
    sbx.run("down")
    assert listed(sbx)["running"] == 0


def test_a_folder_that_was_moved_keeps_its_project(sbx: Sbx) -> None:
    old = in_folder(sbx, "old")
    sbx.run("up", "-d", "--wait", cwd=old)
    new = old.rename(sbx.project / "new")
    try:
        assert "running" in sbx.run("ps", cwd=new).stdout
        assert "at work" in sbx.run("logs", cwd=new).stdout
        assert "nothing to do" in sbx.run("up", "-d", cwd=new).stderr
        assert listed(sbx)["directory"] == str(new)
        assert "2 stopped" in sbx.run("down", cwd=new).stderr
    finally:
        finish(sbx)


def test_a_second_folder_is_refused_while_the_first_has_its_file_and_runs(sbx: Sbx) -> None:
    one, two = in_folder(sbx, "one"), in_folder(sbx, "two")
    sbx.run("up", "-d", cwd=one)
    try:
        said = refused(sbx, "up", "-d", code=3, cwd=two)
        assert f"belongs to the project in {one}" in said
        assert f"end the other one with `sbxcompose --project-directory {one} down`" in " ".join(said.split())
        sbx.run("down", cwd=one)
        sbx.run("up", "-d", cwd=two)
        assert listed(sbx)["directory"] == str(two)
        assert f"belongs to the project in {two}" in refused(sbx, "up", "-d", code=3, cwd=one)
        (two / "sbxcompose.yaml").unlink()
        sbx.run("up", "-d", cwd=one)
    finally:
        finish(sbx)


def test_a_link_to_the_folder_is_the_same_folder(sbx: Sbx) -> None:
    old = in_folder(sbx, "old")
    sbx.run("up", "-d", cwd=old)
    new = old.rename(sbx.project / "new")
    old.symlink_to(new)
    try:
        sbx.run("ps", cwd=new)
    finally:
        finish(sbx)


def test_a_project_without_its_file_can_be_seen_stopped_and_terminated(sbx: Sbx) -> None:
    folder = in_folder(sbx, "folder")
    sbx.run("up", "-d", "--wait", cwd=folder)
    before = pids_of(sbx)
    shutil.rmtree(folder)

    def outside(*arguments: str, code: int = 0) -> str:
        done = sbx.run("-p", sbx.project.name, *arguments, cwd=Path("/"), code=code)
        return done.stdout + done.stderr

    try:
        assert "web" in outside("ps")
        assert "at work" in outside("logs", "web")
        assert outside("why") == "no problem with 2 processes; there is no file to compare them with\n"
        assert "there is no file to compare it with" in outside("why", "web")
        assert "sent SIGCONT to web" in outside("kill", "-s", "CONT", "web")
        assert "web stopped" in outside("stop", "web")
        assert not alive(before["web"])
        assert alive(before["db"])
        assert "paused" in outside("pause")
        assert "db stopped" in outside("down")
        assert not alive(before["db"])
        assert "terminated" in outside("down", "--terminate")
        assert "no project named" in outside("ps", code=2)
    finally:
        finish(sbx)


def pids_of(sbx: Sbx) -> dict[str, int]:
    """The process ids, found without the project's file."""
    rows = sbx.run("-p", sbx.project.name, "ps", "--json", cwd=Path("/")).json
    return {row["name"]: row["pid"] for row in rows if row["pid"] is not None}


def test_what_cannot_do_without_a_file_says_so_and_what_looks_names_ls(sbx: Sbx) -> None:
    for command in (["up", "-d"], ["start"], ["exec", "web", "true"]):
        assert "-f FILE" in refused(sbx, "-p", "whatever", *command, cwd=Path("/"))
    assert "`sbxcompose ls` lists all projects" in refused(sbx, "ps", cwd=Path("/"))
    said = refused(sbx, "-p", "no-such-project", "ps", cwd=Path("/"))
    assert "no project named `no-such-project`" in said
    assert "sbxcompose ls" in said


@pytest.mark.time_limit(300)
def test_in_the_cloud_the_names_of_sandboxes_are_enough(cloud: CloudSbx) -> None:
    cloud.write(FILE)
    cloud.run("up", "-d")
    name = cloud.project.name
    assert f"{name}-main" in cloud.run("ls", "-q", cwd=Path("/")).stdout.split()
    assert set(pids_of(cloud)) == {"web", "db"}
    assert "web stopped" in cloud.run("-p", name, "stop", "web", cwd=Path("/")).stderr
    assert set(pids(cloud)) == {"db"}


def test_a_file_with_a_mistake_does_not_keep_from_looking_and_stopping(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.write("processes: {web: {comand: nothing}}\n")
    for command in ("ps", "logs", "why", "stop", "down"):
        said = refused(sbx, command, code=2)
        assert "sbxcompose.yaml:1:" in said
        assert f"`sbxcompose -p NAME {command}`" in said
        assert "`sbxcompose ls`" in said
    name = ("-p", sbx.project.name)
    assert "web" in sbx.run(*name, "ps").stdout
    down = sbx.run(*name, "down").stderr
    assert "the file has a mistake" in down
    assert "2 stopped" in down
    assert not any(map(alive, before.values()))
    assert "-p NAME" not in refused(sbx, "up", "-d", code=2)


def test_what_needs_the_file_of_a_known_project_says_where_that_was(sbx: Sbx) -> None:
    folder = in_folder(sbx, "folder")
    sbx.run("up", "-d", cwd=folder)
    try:
        for command in (["up", "-d"], ["restart"], ["exec", "web", "true"]):
            said = refused(sbx, "-p", sbx.project.name, *command, code=2, cwd=Path("/"))
            assert f"its folder is {folder}" in said
        shutil.rmtree(folder)
        said = refused(sbx, "-p", sbx.project.name, "up", code=2, cwd=Path("/"))
        assert f"its folder {folder} no longer exists" in said
        assert "`-f FILE`" in said
        said = refused(sbx, "-p", "no-such-project", "up", code=2, cwd=Path("/"))
        assert "no `sbxcompose.yaml`" in said
    finally:
        finish(sbx)


# -- sandboxes that the file no longer has where they are --------------------------------------------------

NEAR = f"sandboxes: {{near: {{provider: local, processes: {{web: {{command: {FOREVER}}}}}}}}}\n"
FAR = f"sandboxes: {{far: {{provider: tensorlake, processes: {{api: {{command: {FOREVER}}}}}}}}}\n"


def test_a_sandbox_that_is_taken_out_of_the_file_is_reported_until_it_is_stopped(sbx: Sbx) -> None:
    sbx.write(f"sandboxes: {{back: {{processes: {{api: {{command: {FOREVER}}}}}}}}}\n")
    sbx.run("up", "-d")
    running = pids(sbx)["api"]
    sbx.write(NEAR)
    told = "sandbox back is not in the file, and still runs 1 process at local"
    left = f"note: {told}; `sbxcompose down --remove-orphans` stops it\n"
    for command in (["up", "-d"], ["ps"], ["down"]):
        assert sbx.run(*command).stderr.count(left) == 1
    assert alive(running)
    down = sbx.run("down", "--remove-orphans").stderr
    assert "api stopped\n1 stopped in " in down
    assert not alive(running)
    for command in (["up", "-d"], ["ps"], ["down"]):
        assert "back" not in sbx.run(*command).stderr


def test_a_sandbox_that_was_left_in_the_cloud_is_reported_and_can_be_ended(cloud: CloudSbx) -> None:
    del cloud.env["SBXCOMPOSE_PROVIDER"]
    cloud.write(FAR)
    cloud.run("up", "-d")
    far = f"{cloud.project.name}-far"
    assert cloud.plain.status(far) == "running"
    cloud.write(NEAR)
    left = "note: sandbox far is not in the file, and may still exist at tensorlake; "
    way = "`sbxcompose down --remove-orphans --terminate` ends it\n"
    for command in (["up", "-d"], ["ps"], ["down"]):
        assert cloud.run(*command).stderr.count(left + way) == 1
    assert f"{cloud.project.name} (tensorlake: far)" in cloud.run("ls").stderr
    cloud.run("down", "--remove-orphans", "--terminate")
    assert far not in cloud.run("--provider", "tensorlake", "ls", "-q").stdout.split()
    assert "far" not in cloud.run("up", "-d").stderr
    assert f"{cloud.project.name} (" not in cloud.run("ls").stderr


def test_what_still_runs_here_is_reported_once_the_project_is_in_the_cloud(cloud: CloudSbx) -> None:
    del cloud.env["SBXCOMPOSE_PROVIDER"]
    cloud.write(NEAR)
    cloud.run("up", "-d")
    cloud.write(FAR)
    said = cloud.run("up", "-d").stderr
    assert "sandbox near is not in the file, and still runs 1 process at local" in said
    assert "web stopped" in cloud.run("down", "--remove-orphans", "--terminate").stderr


def test_variables_of_docker_compose_are_explained_where_they_mislead_and_nowhere_else(sbx: Sbx) -> None:
    sbx.env.update(COMPOSE_FILE="other.yaml", COMPOSE_PROFILES="dev")
    assert "`SBXCOMPOSE_FILE` is read here" in refused(sbx, "config")
    sbx.write("processes: {web: {command: x, profiles: [dev]}}")
    assert "`SBXCOMPOSE_PROFILES` is read here" in refused(sbx, "up", "-d")
    assert "COMPOSE_" not in refused(sbx, "up", "-d", "nonesuch")
    done = sbx.run("config", "--services")
    assert (done.stdout, done.stderr) == ("", "")
    sbx.write("COMPOSE_PROJECT_NAME=x\n", ".env")
    found = [check for check in sbx.run("doctor", "--json", code=None).json["checks"] if check["name"] == "variables"]
    assert [check["text"].split("`")[1] for check in found] == [
        *("COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME")
    ]
