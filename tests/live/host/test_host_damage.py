"""Damaged state: every file of it times every kind of damage, and none costs more than what was in that file."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sbxcompose.engine.local_host import launch
from sbxcompose.host.base import damage
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper.client import KeeperClient
from sbxcompose.host.logs.events import Chunk
from sbxcompose.host.logs.segments import STDOUT
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.sandboxes.registry import Sandboxes
from sbxcompose.tasks import TaskOwner
from tests.live.host.hosts import LiveHost, live_host, running
from tests.support.home import Home
from tests.support.host_state import (
    BAD,
    DAMAGES,
    ERRORS,
    GOOD,
    LINES,
    OTHER_FILES,
    SANDBOX_FILES,
    make_sandbox,
    make_state,
)
from tests.support.rights import bound_by_modes
from tests.support.waiting import until

NO_KEEPER = cast(KeeperClient, SimpleNamespace(tasks=TaskOwner(), identity="keeper"))
"""Nothing is started here."""
NOT_FILES = [name for name in DAMAGES if name.startswith("a ") and name != "a list"]
RECORDS = [name for name in SANDBOX_FILES if name.endswith(".json")]


def write_again(log: LogStore) -> tuple[int, int]:
    """Write one more run; its number, and where it began."""
    read, write = os.pipe()
    os.write(write, b"again\n")
    run, begin = log.begin_run(1_800_000_000.0), log.end
    log.splice(STDOUT, read, run)
    log.end_run(run, 0, None, 1_800_000_001.0)
    os.close(read)
    os.close(write)
    return run, begin


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("state")
    make_state(state)
    return state


@pytest.fixture
def state(template: Path, tmp_path: Path) -> Iterator[Path]:
    with damaged_copy(template, tmp_path) as directory:
        yield directory


@contextmanager
def damaged_copy(template: Path, place: Path) -> Iterator[Path]:
    """A state directory to be damaged; what is set aside is kept in it."""
    shutil.copytree(template, place / "state", copy_function=shutil.copyfile)
    damage.keep_in(place / "state" / "damaged")
    try:
        yield place / "state"
    finally:
        damage.keep_in(None)


def text_of(log: LogStore) -> bytes:
    with closing(log.reader(0)) as reader:
        pieces = []
        while found := reader.read():
            pieces += [event.data() for event in found if isinstance(event, Chunk)]
        return b"".join(pieces)


def check_good(sandboxes: Sandboxes) -> None:
    """That the other sandbox has everything it had."""
    good = sandboxes.live("good")
    [row] = good.processes.rows()
    assert row.info().status == "exited"
    assert text_of(good.processes.logs()["web"]) == LINES + ERRORS
    assert [failed.name for failed in good.processes.failed_starts.all()] == ["other"]
    assert [note.secrets for note in good.processes.start_notes()] == [["secret"]]
    good.processes.closed()


def check_bad(sandboxes: Sandboxes) -> None:
    """That the damaged one can be worked with, if it is there at all."""
    with suppress(Problem):
        bad = sandboxes.live("bad")
        bad.info.write()
        for row in bad.processes.rows():
            row.info().write()
        log = bad.processes.logs().get("web") or LogStore.open(Path("/nonexistent"))
        if log.directory.endswith("web"):
            text_of(log)
            run, begin = write_again(log)
            assert text_of(log).endswith(b"again\n")
            assert log.position_of_run(run) == begin
        bad.processes.closed()


async def load(state: Path) -> None:
    sandboxes = Sandboxes(state / "sandboxes", NO_KEEPER)
    sandboxes.load()
    sandboxes.recover(set())
    check_good(sandboxes)
    check_bad(sandboxes)
    await asyncio.sleep(0)


# One test for a file, with all kinds of damage: one for each of the 368 pairs costs a quarter more CPU time.
@pytest.mark.parametrize(
    "name", [f"sandboxes/{BAD}", *(f"sandboxes/{BAD}/{name}" for name in SANDBOX_FILES), *OTHER_FILES]
)
def test_a_damaged_file_costs_nothing_else(template: Path, tmp_path: Path, name: str) -> None:
    for number, how in enumerate(DAMAGES):
        try:
            with damaged_copy(template, tmp_path / str(number)) as state:
                check_damage(state, name, how)
        except (Exception, ExceptionGroup) as error:
            error.add_note(f"{name}: {how}")
            raise


def check_damage(state: Path, name: str, how: str) -> None:
    """That a host loads a state with one damaged file, and reports it."""
    DAMAGES[how](state / name)

    def begin() -> None:
        damage.keep_in(state / "damaged")
        asyncio.run(load(state))

    bound_by_modes(begin)
    report = damage.report()
    if must_be_reported(name, how):
        assert report, "it is reported"
    assert not report or not report["left"]
    bound_by_modes(lambda: asyncio.run(load(state)))  # the next server does not stumble over it again


def must_be_reported(name: str, how: str) -> bool:
    """Whether there is something to be set aside. Not reported is what a host does not read, or may find so anyway."""
    if how == "unreadable":
        return not name.startswith("host.") and not name.endswith("/files")
    if name.endswith("/files") or name == "damaged":
        return how != ("a directory" if name.endswith("/files") else "missing")
    if how == "missing":
        return name.endswith(".idx")
    if name.startswith("host."):
        return False
    if (how == "a directory" and "." not in name) or (how == "a dangling link" and name.endswith("/tttttttt")):
        return False
    return how in NOT_FILES or name.removeprefix(f"sandboxes/{BAD}/") in RECORDS


def test_a_file_in_the_place_of_the_damaged_ones_is_moved_away(state: Path) -> None:
    DAMAGES["garbage"](state / "damaged")
    DAMAGES["garbage"](state / "sandboxes" / BAD / "sandbox.json")
    damage.keep_in(state / "damaged")
    asyncio.run(load(state))
    report = damage.report()
    assert report is not None
    sandbox, itself = report["files"]
    assert sandbox.endswith(f"-sandboxes-{BAD}")
    assert itself.startswith("../damaged.damaged-")
    damage.keep_in(state / "damaged")
    assert damage.report() == report, "the next server tells of it, too"


def test_a_directory_of_damaged_files_that_only_root_may_enter_is_moved_away(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    damage.keep_in(state / "damaged")
    report = damage.report()
    assert report is not None
    assert report["files"][0].startswith("../damaged.damaged-")
    monkeypatch.setattr(os, "rename", lambda source, target: os.stat("/nowhere/at all"))
    (state / "damaged").mkdir()
    damage.keep_in(state / "damaged")
    report = damage.report()
    assert report is not None
    assert report["left"] == [str(state / "damaged")]


def test_the_matrix_is_large() -> None:
    assert len(DAMAGES) * (1 + len(SANDBOX_FILES) + len(OTHER_FILES)) >= 350


@pytest.mark.parametrize("how", ["missing", "empty", "zeros", "garbage", "a FIFO", "a directory", "a dangling link"])
@pytest.mark.parametrize("place", ["the last", "an earlier"])
def test_output_is_shown_although_its_index_is_lost(
    state: Path, how: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = state / "sandboxes" / BAD / "logs" / "web"
    if place == "an earlier":
        for suffix in ("idx", "out", "err"):
            source = state / "sandboxes" / GOOD / "logs" / "web" / f"{0:016x}.{suffix}"
            shutil.copy(source, directory / f"{9000:016x}.{suffix}")
    DAMAGES[how](directory / f"{0:016x}.idx")
    for _ in range(2):
        log = LogStore.open(directory)
        assert text_of(log) == (LINES + ERRORS) * (1 if place == "the last" else 2)
        assert log.position_since(1_600_000_000_000) == 0
        log.close()
    report = damage.report()
    assert report is not None
    missing = ".missing" if how == "missing" else ""
    assert [name.partition("-sandboxes-")[2] for name in report["files"]] == [f"{BAD}-logs-web-{0:016x}.idx{missing}"]
    assert capsys.readouterr().err.count("damaged: ") == 1


@pytest.mark.parametrize("how", ["missing", "empty", "garbage", "a directory", "a dangling link"])
def test_an_index_that_is_lost_while_the_host_runs_is_made_anew(state: Path, how: str) -> None:
    directory = state / "sandboxes" / BAD / "logs" / "web"
    log = LogStore.open(directory)
    DAMAGES[how](directory / f"{0:016x}.idx")
    assert text_of(log) == LINES + ERRORS
    DAMAGES[how](directory / f"{0:016x}.idx")
    run, begin = write_again(log)
    for store in (log, LogStore.open(directory)):
        assert sorted(text_of(store)) == sorted(LINES + ERRORS + b"again\n")
        assert store.position_of_run(run) == begin
        store.close()


def test_of_a_log_whose_output_is_damaged_the_rest_is_kept(state: Path) -> None:
    directory = state / "sandboxes" / BAD / "logs" / "web"
    DAMAGES["a FIFO"](directory / f"{0:016x}.out")
    for suffix in ("idx", "out"):
        source = state / "sandboxes" / GOOD / "logs" / "web" / f"{0:016x}.{suffix}"
        shutil.copy(source, directory / f"{9000:016x}.{suffix}")
    log = LogStore.open(directory)
    assert text_of(log).replace(b"\0", b"") == ERRORS + LINES
    log.close()
    report = damage.report()
    assert report is not None
    assert {name.partition("-sandboxes-")[2] for name in report["files"]} == {
        f"{BAD}-logs-web-{0:016x}.idx",
        f"{BAD}-logs-web-{0:016x}.out",
    }


def test_a_shortage_says_nothing_about_a_file(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object, **__: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", short)
        with pytest.raises(OSError, match="Too many open files"):
            damage.load(state / "sandboxes" / BAD / "sandbox.json", bytes)
    assert damage.report() is None


@pytest.mark.parametrize(
    "ways", [("garbage", "a directory", "unreadable"), ("nested", "a FIFO", "a dangling link")], ids=", ".join
)
def test_a_host_starts_with_every_file_of_other_sandboxes_damaged(host_environ: Home, ways: Sequence[str]) -> None:
    bound_by_modes(lambda: check_host(host_environ, ways))


def check_host(host_environ: Home, ways: Sequence[str]) -> None:
    """That a host starts, works, tells of what is damaged, and ends."""
    host_environ.state.mkdir(mode=0o700)
    make_state(host_environ.state)
    for number, (name, how) in enumerate(product(SANDBOX_FILES, ways)):
        make_sandbox(host_environ.state, f"{number:021}", f"bad-{number}")
        DAMAGES[how](host_environ.state / "sandboxes" / f"{number:021}" / name)
    for name, how in zip(("snapshots", "host.json"), ways, strict=False):
        DAMAGES[how](host_environ.state / name)
    with live_host(host_environ) as host:
        box = host.box("new")
        box.shell("exec sleep 1000", "web", restart={"policy": "always"})
        box.wait("web", running)
        assert host.http.get("/sandboxes/good").json()["status"] == "running"
        for sandbox in host.http.get("/sandboxes").json()["sandboxes"]:
            work_in(host, sandbox["id"])
        status = host.status["damaged"]
        assert status["left"] == []
        assert len(status["files"]) >= 5
        box.delete("web")
    assert not launch.stop(force=True)


def work_in(host: LiveHost, number: str) -> None:
    """Run something in a sandbox that may have lost anything."""
    headers = {"X-Tensorlake-Sandbox-Id": number}
    body = {"command": "echo", "args": ["here"], "name": "echo", "env": {"PATH": os.environ["PATH"]}}
    answer = host.http.post("/api/v1/processes", headers=headers, json=body)
    assert answer.status_code == 201, answer.text
    path = "/api/v1/processes/echo"
    row = until(lambda: host.http.get(path, headers=headers).json(), lambda found: found["status"] != "running")
    assert row["exit_code"] == 0
    assert "here" in host.http.get("/api/v1/processes/echo/stdout", headers=headers).json()["lines"]
