"""Ctrl-C, once and twice, in every phase of a command that makes something in the cloud: nothing is left unsaid."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import CloudSbx
from tests.cli.looking import pids

FILE = "sandboxes: {app: {processes: {web: {command: exec sleep 1000}}}}\n"
FOREVER = ["scheduling"] * 100_000
"""Reasons for a sandbox that does not get to run."""
CREATE = "POST .*/sandboxes$"
TERMINATED = "sandbox app was terminated: nothing had been started in it yet"
AGAIN = "interrupted again; it may be running: `sbxcompose down --terminate` ends it"
CLEANING_UP = "note: cleaning up; press Ctrl-C again to quit at once"


def gone(cloud: CloudSbx) -> bool:
    """Whether the account has no sandbox of the project, as `ls` shows it."""
    return cloud.project.name not in cloud.run("ls").stdout


# -- a create without an answer ----------------------------------------------------------------------------


def test_a_create_is_answered_after_ctrl_c(cloud: CloudSbx) -> None:
    cloud.write(FILE)
    cloud.plain.hold_answer = CREATE
    with cloud.start("up", "-d") as up:
        cloud.plain.wait_for_held()
        up.interrupt()
        cloud.plain.release()
        done = up.wait()
    assert done.code == 130
    assert TERMINATED in done.stdout + done.stderr
    assert gone(cloud)


def test_a_second_ctrl_c_before_a_create_is_answered_names_the_remedy(cloud: CloudSbx) -> None:
    cloud.write(FILE)
    cloud.plain.hold_answer = CREATE
    with cloud.start("up", "-d") as up:
        cloud.plain.wait_for_held()
        up.interrupt()
        up.wait_for(CLEANING_UP)
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    assert AGAIN in done.stdout + done.stderr
    cloud.plain.release()
    cloud.run("down", "--terminate")
    assert gone(cloud)


@pytest.mark.parametrize("times", [1, 2])
def test_a_create_whose_answer_was_lost_is_interrupted(cloud: CloudSbx, times: int) -> None:
    cloud.write(FILE)
    cloud.plain.lose, cloud.plain.pending = CREATE, [*FOREVER]
    with cloud.start("up", "-d") as up:
        up.wait_for("sandbox app is pending: scheduling")
        if times == 2:
            cloud.plain.hold = "DELETE"
        up.interrupt()
        if times == 2:
            cloud.plain.wait_for_held()
            up.interrupt()
        done = up.wait()
    assert done.code == 130
    assert (TERMINATED, AGAIN)[times - 1] in done.stdout + done.stderr
    if times == 2:
        cloud.plain.release()
        cloud.run("down", "--terminate")
    assert gone(cloud)


# -- two terminals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_an_up_that_waits_for_the_sandbox_of_another_is_interrupted(cloud: CloudSbx, times: int) -> None:
    cloud.write(FILE)
    with cloud.two_ups(first=["--wait"]) as (first, second):
        for _ in range(times):
            second.interrupt()
        done = second.wait()
        assert done.code == 130
        assert "terminated" not in done.stdout + done.stderr
        cloud.plain.pending = []
        assert first.wait().code == 0
    assert set(pids(cloud)) == {"web"}


def test_the_up_that_made_the_sandbox_is_interrupted_twice_while_another_waits(cloud: CloudSbx) -> None:
    cloud.write(FILE)
    with cloud.two_ups(second=["--wait"]) as (first, second):
        cloud.plain.hold = "DELETE"
        first.interrupt()
        cloud.plain.wait_for_held()
        first.interrupt()
        done = first.wait()
        assert (done.code, AGAIN in done.stdout + done.stderr) == (130, True)
        cloud.plain.pending = []  # the request to terminate has never arrived: it is held for good
        assert second.wait().code == 0
    assert set(pids(cloud)) == {"web"}


# -- cp ----------------------------------------------------------------------------------------------------


@pytest.fixture
def running(cloud: CloudSbx) -> CloudSbx:
    """A project that is up, with something to copy; its sandbox sees this machine's files."""
    cloud.write(FILE)
    cloud.run("up", "-d", "--wait")
    tree = cloud.project / "tree"
    tree.mkdir()
    (tree / "one").write_text("one\n")
    (cloud.project / "there").mkdir()
    return cloud


def left(running: CloudSbx) -> list[str]:
    """The temporary files of copies in the folder of the sandbox, and those archives that were asked for."""
    there = [str(path) for path in (running.project / "there").rglob(".*")]
    asked = re.findall(r"/tmp/\.sbxcompose\.cp\.[0-9a-f.]+\.tar", repr(running.plain.bodies))
    return [*there, *filter(os.path.exists, asked)]


Arguments = Callable[[Path], tuple[str, str]]
INTO: Arguments = lambda project: ("tree", f"app:{project}/there/")  # noqa: E731
FILE_INTO: Arguments = lambda project: ("tree/one", f"app:{project}/there/")  # noqa: E731
OUT_OF: Arguments = lambda project: (f"app:{project}/tree", "back")  # noqa: E731
COPIES = pytest.mark.parametrize(
    "arguments, held",
    [(INTO, r"PUT .*\.tar"), (FILE_INTO, "PUT .*there"), (OUT_OF, r"GET .*\.tar")],
    ids=["folder", "file", "out"],
)


@COPIES
def test_cp_is_interrupted(running: CloudSbx, arguments: Arguments, held: str) -> None:
    running.plain.hold_answer = held
    with running.start("cp", *arguments(running.project)) as copy:
        running.plain.wait_for_held()
        copy.interrupt()
        done = copy.wait()
    running.plain.release()
    assert (done.code, done.stderr.splitlines()[-1]) == (130, "interrupted")
    assert left(running) == []
    assert not (running.project / "back").exists()


@COPIES
def test_cp_is_interrupted_twice_and_the_next_one_removes_what_it_left(
    running: CloudSbx, arguments: Arguments, held: str
) -> None:
    running.plain.hold_answer = held
    with running.start("cp", *arguments(running.project)) as copy:
        running.plain.wait_for_held()
        running.plain.hold = "POST .*/processes/run"
        copy.interrupt()
        running.plain.wait_for_held()
        copy.interrupt()
        done = copy.wait()
    assert done.code == 130
    assert "may be left in the sandbox; the next `cp` to or from there removes it" in done.stderr
    running.plain.cut()  # so that the command that was to remove it is never carried out
    running.plain.release()
    assert left(running) != []
    running.run("cp", *arguments(running.project))
    assert left(running) == []


def test_cp_is_killed_and_the_next_one_removes_what_it_left(running: CloudSbx) -> None:
    running.plain.hold_answer = r"PUT .*\.tar"
    with running.start("cp", *INTO(running.project), env={"SBXCOMPOSE_WARM": "no"}) as copy:
        running.plain.wait_for_held()
        copy.process.kill()
        copy.wait()
    running.plain.release()
    assert left(running) != []
    running.run("cp", *OUT_OF(running.project))
    assert left(running) != [], "it looks at another folder"
    running.run("cp", *INTO(running.project))
    assert left(running) == []


# -- exec --------------------------------------------------------------------------------------------------


def test_exec_is_interrupted_before_its_start_is_answered(running: CloudSbx) -> None:
    running.plain.hold_answer = "POST .*/processes$"
    with running.start("exec", "-T", "web", "sh", "-c", "echo $$ > pid; exec sleep 4711") as command:
        running.plain.wait_for_held()
        command.interrupt()
        running.plain.release()
        done = command.wait()
    assert done.code == 130
    assert "may be running" not in done.stderr
    pid = (running.project / "pid").read_text().strip() if (running.project / "pid").exists() else None
    assert pid is None or not Path("/proc", pid).exists()


def test_exec_is_interrupted_twice_before_its_start_is_answered(running: CloudSbx) -> None:
    running.plain.hold = "POST .*/processes$"
    with running.start("exec", "-T", "web", "true") as command:
        running.plain.wait_for_held()
        command.interrupt()
        command.wait_for(CLEANING_UP)
        command.interrupt()
        done = command.wait()
    running.plain.release()
    assert done.code == 130
    assert "the start of true was not answered: it may be running in the sandbox" in done.stderr
