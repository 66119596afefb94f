"""What is remembered of starts that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.api.models import StartRequest
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.supervise.failed_starts import KEPT, FailedStarts

WEB = StartRequest(command="./run.sh", args=["now"], working_dir="/shop", name="web.3f2a9c1d", log="web.1")
MISSING = Problem(500, "no such file: ./run.sh", "SPAWN_FAILED")


def test_the_latest_of_each_log_is_kept_until_a_start_succeeds(tmp_path: Path) -> None:
    failed = FailedStarts(tmp_path)
    failed.add(WEB, MISSING)
    failed.add(WEB, Problem(500, "permission denied: ./run.sh", "SPAWN_FAILED"))
    (told,) = failed.all()
    assert (told.name, told.command, told.args, told.error) == (
        "web.3f2a9c1d",
        "./run.sh",
        ["now"],
        "permission denied: ./run.sh",
    )
    failed.started(WEB)
    assert failed.all() == []


def test_they_survive_the_server(tmp_path: Path) -> None:
    first = FailedStarts(tmp_path)
    first.add(WEB, MISSING)
    second = FailedStarts(tmp_path)
    second.load()
    assert second.all() == first.all()


def test_commands_without_a_name_and_conflicts_are_not_remembered(tmp_path: Path) -> None:
    failed = FailedStarts(tmp_path)
    failed.add(StartRequest(command="ls"), MISSING)
    failed.add(WEB, Problem(409, "a process named web is running already", "ALREADY_EXISTS"))
    assert failed.all() == []


@pytest.mark.parametrize("damage", ["", "{}", "[1, null, {}]", '[{"name": "x", "at": "never"}]', "\0"])
def test_a_damaged_file_is_of_no_harm(tmp_path: Path, damage: str) -> None:
    (tmp_path / "failed-starts.json").write_text(damage)
    failed = FailedStarts(tmp_path)
    failed.load()
    assert failed.all() == []
    failed.add(WEB, MISSING)
    assert len(failed.all()) == 1


def test_their_number_is_limited(tmp_path: Path) -> None:
    failed = FailedStarts(tmp_path)
    for number in range(KEPT + 5):
        failed.add(StartRequest(command="x", name=f"p{number}"), MISSING)
    assert next(item.name for item in failed.all()) == "p5"
