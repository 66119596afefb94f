"""Files in sandboxes: `workspace: copy`, `files:` in the cloud, and `cp`."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import logged
from tests.support.command import Sbx
from tests.support.link import Link

OWN = """
sandboxes:
  app:
    workspace: copy
    setup: ["ls -A | grep -v '^.sbxcompose$' > listed"]
    processes:
      web: {command: "pwd; cat src/a.py; exec sleep 1000", workdir: .}
"""


def workspace(sbx: Sbx) -> Path:
    """Where the files of the sandbox are."""
    return Path(logged(sbx, r"(?m)^/.*\n", "--no-prefix", "web").splitlines()[0])


def project(sbx: Sbx) -> None:
    sbx.write(OWN)
    (sbx.project / "src").mkdir()
    sbx.write("one\n", "src/a.py")
    sbx.write("*.log\n", ".gitignore")
    sbx.write("left out\n", "x.log")


def test_files_are_there_before_anything_starts_and_only_changes_are_copied_again(sbx: Sbx) -> None:
    project(sbx)
    plan = sbx.run("plan").stdout
    assert "2. sync app, after 1: 3 files changed (.gitignore, sbxcompose.yaml, src/a.py)" in plan
    assert "3. start setup:1, after 2" in plan
    up = sbx.run("up", "-d").stderr
    assert "copied 3 files" in up
    there = workspace(sbx)
    assert there != sbx.project
    assert {*(there / "listed").read_text().split()} - {"listed"} == {".gitignore", "sbxcompose.yaml", "src"}
    logged(sbx, r"\| one\n", "web")

    again = sbx.run("plan", "--exit-code")
    assert again.stdout.startswith("nothing to do")
    assert "copied" not in sbx.run("up", "-d").stderr

    sbx.write("two\n", "src/b.py")
    (sbx.project / "src" / "a.py").unlink()
    assert sbx.run("plan", "--exit-code", code=5).stdout.startswith(
        "1. sync app: 1 file changed, 1 file deleted (src/b.py, src/a.py)\n1 to copy into"
    )
    assert "copied 1 file (4 B) to app" in sbx.run("up", "-d").stderr
    assert sorted(path.name for path in (there / "src").iterdir()) == ["b.py"]
    assert (there / "listed").exists(), "what the sandbox has made stays"


def test_restart_copies_first(sbx: Sbx) -> None:
    project(sbx)
    sbx.run("up", "-d")
    sbx.write("new code\n", "src/a.py")
    said = sbx.run("restart", "web").stderr
    assert said.index("copied 1 file") < said.index("web stopped")
    logged(sbx, r"\| new code\n", "web")


def test_a_plan_as_json_says_what_would_be_copied(sbx: Sbx) -> None:
    project(sbx)
    steps = sbx.run("plan", "--json").json["steps"]
    (sync,) = [step for step in steps if step["action"] == "sync"]
    assert sync["copy"]["files"] == 3
    assert sync["copy"]["bytes"] == len(OWN.encode()) + len("one\n*.log\n")


def test_a_copy_that_fails_holds_up_its_sandbox_and_is_named(sbx: Sbx) -> None:
    project(sbx)
    (sbx.project / "away").symlink_to("/etc/passwd")
    for command in (("plan",), ("up", "-d")):
        refused = sbx.run(*command, code=1).stderr
        assert "away is a link to /etc/passwd, which is outside of what is copied" in refused
        assert ".sbxcomposeignore" in refused
    assert sbx.run("ps", "--json").json[0]["pid"] is None
    sbx.write("away\n", ".sbxcomposeignore")
    sbx.run("up", "-d")


def test_config_says_copy_and_what(sbx: Sbx) -> None:
    project(sbx)
    shown = sbx.run("config").stdout
    assert "workspace: copy" in shown
    assert "from: ." in shown


def test_files_go_to_the_cloud_by_the_contract_alone(cloud: CloudSbx, tmp_path: Path) -> None:
    there = tmp_path / "there"
    cloud.write(
        f"""
sandboxes:
  app:
    workspace: {there}
    files: [{{from: src, to: code, ignore: ["*.tmp"]}}]
    processes:
      web: {{command: "cat code/a.py; exec sleep 1000"}}
"""
    )
    (cloud.project / "src").mkdir()
    cloud.write("hello\n", "src/a.py")
    cloud.write("no\n", "src/b.tmp")
    assert "copied 1 file" in cloud.run("up", "-d").stderr
    assert [path.name for path in (there / "code").iterdir()] == ["a.py"]
    for _ in range(20):
        cloud.plain.requests.clear()
        assert "nothing to do" in cloud.run("up", "-d").stderr
        asked = {request for request in cloud.plain.requests if "/files" in request}
        if len(asked) == 1:
            break  # what was read within 0.1 s of its last change is read again the next time
    assert len(asked) == 1, "for the state alone; more than once if the answer is late"


# -- cp --------------------------------------------------------------------------------------------------------


@pytest.fixture
def running(sbx: Sbx) -> Sbx:
    project(sbx)
    sbx.run("up", "-d")
    return sbx


def test_cp_takes_files_and_folders_in_and_out(running: Sbx) -> None:
    there = workspace(running)
    (running.project / "src" / "run.sh").write_text("x")
    (running.project / "src" / "run.sh").chmod(0o755)
    assert "copied 1 file (1 B) to app:bin.sh" in running.run("cp", "src/run.sh", "app:bin.sh").stderr
    assert (there / "bin.sh").stat().st_mode & 0o777 == 0o755
    running.run("cp", "src", "web:tree")
    running.run("cp", "src/.", "web:tree/deep/")
    assert sorted(os.listdir(there / "tree")) == ["a.py", "deep", "run.sh"]
    running.run("cp", "src", "web:tree")
    assert (there / "tree" / "src" / "a.py").exists(), "into a folder that exists"
    running.run("cp", "app:tree", "back")
    assert (running.project / "back" / "deep" / "run.sh").stat().st_mode & 0o777 == 0o755
    running.run("cp", "app:bin.sh", "back")
    assert (running.project / "back" / "bin.sh").read_text() == "x"
    assert not [path for path in os.listdir(there) if path.startswith((".bin", ".sbxcompose.cp"))]


def test_cp_passes_contents_and_archives_through_pipes(running: Sbx) -> None:
    there = workspace(running)
    running.run("cp", "-", "app:notes.txt", stdin="some notes\n")
    assert running.run("cp", "app:notes.txt", "-").stdout == "some notes\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(running.project / "src", "packed")
    running.run("cp", "-", "app:unpacked/", stdin=out.getvalue())
    assert (there / "unpacked" / "packed" / "a.py").read_text() == "one\n"


MISTAKES = [
    (("a", "b"), 2, "neither of `a` and `b` is in a sandbox"),
    (("app:a", "web:b"), 2, "both of `app:a` and `web:b` is in a sandbox"),
    (("src", "ap:b"), 2, "did you mean `app`?"),
    (("nope", "app:"), 1, "nope: no such file or directory (on this machine)"),
    (("app:nope", "."), 1, "app:nope: no such file or folder in the sandbox"),
    (("app:src", "x/y/z"), 1, "x/y: no such folder on this machine"),
    (("src", "app:src/a.py"), 1, "app:src/a.py is a file there, and src a folder"),
    (("app:src", "x.log"), 1, "x.log is a file here, and app:src a folder"),
]


def test_cp_says_what_is_wrong_and_on_which_side(running: Sbx) -> None:
    for arguments, code, words in MISTAKES:
        assert words in running.run("cp", *arguments, code=code).stderr


def test_cp_into_a_sandbox_that_is_not_running(sbx: Sbx) -> None:
    project(sbx)
    assert "sandbox app does not exist yet" in sbx.run("cp", "src", "app:x", code=2).stderr


def test_cp_over_a_slow_connection_says_how_far_it_is(cloud: CloudSbx) -> None:
    processes = "{web: {command: 'exec sleep 1000'}}"
    cloud.write(f"sandboxes: {{main: {{workspace: {cloud.project}, processes: {processes}}}}}\n")
    (cloud.project / "big").write_bytes(bytes(20_000_000))
    cloud.run("up", "-d")
    with Link(int(cloud.plain.address.rpartition(":")[2]), rate=4_000_000) as link:
        address = cloud.plain.sandbox_url = f"http://127.0.0.1:{link.port}"
        with cloud.start("cp", "big", "web:there", terminal=True, env={"TENSORLAKE_API_URL": address}) as copying:
            copying.wait_for(r"copying to web:there .* of 20 MB")
            assert copying.wait().code == 0
        with cloud.start("cp", "web:there", "back", terminal=True, env={"TENSORLAKE_API_URL": address}) as copying:
            copying.wait_for(r"copying from web:there .* of 20 MB")
            assert copying.wait().code == 0
    assert (cloud.project / "there").stat().st_size == (cloud.project / "back").stat().st_size == 20_000_000
