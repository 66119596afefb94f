"""What has become of the last host, as its successor finds it written down."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sbxcompose import paths
from sbxcompose.host.base import host_info
from sbxcompose.host.base.host_info import Interruption
from sbxcompose.host.base.json_files import write_json


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state directory of a host that was killed."""
    state = tmp_path / "state"
    state.mkdir()
    (state / paths.LOCK).touch()
    write_json(state / host_info.INFO_FILE, host_info.contents(state, None, 1))
    return state


def test_a_killed_host_is_not_an_interruption_for_good(state: Path) -> None:
    assert host_info.interruption(state) is Interruption.HOST_KILLED
    assert not Interruption.HOST_KILLED.for_good


def test_nothing_written_down_counts_as_killed(tmp_path: Path) -> None:
    assert host_info.interruption(tmp_path) is Interruption.HOST_KILLED


@pytest.mark.parametrize("value", [{}, [], {"boot": 5, "state": 5}, {"version": "0", "tcp": None}])
def test_what_another_version_or_a_damaged_file_says_counts_as_killed(state: Path, value: object) -> None:
    write_json(state / host_info.INFO_FILE, value)
    assert host_info.interruption(state) is Interruption.HOST_KILLED


def test_another_boot(state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("another\n")
    monkeypatch.setattr(host_info, "BOOT_ID", tmp_path / "boot")
    assert host_info.interruption(state) is Interruption.REBOOTED


def test_a_copy_and_a_move(state: Path, tmp_path: Path) -> None:
    shutil.copytree(state, tmp_path / "copy")
    state.rename(tmp_path / "moved")
    assert host_info.interruption(tmp_path / "copy") is Interruption.COPIED
    assert host_info.interruption(tmp_path / "moved") is Interruption.HOST_KILLED


def test_a_removed_lock_makes_no_copy(state: Path) -> None:
    (state / paths.LOCK).unlink()
    assert host_info.interruption(state) is Interruption.HOST_KILLED


def test_process_ids_hold_while_the_machine_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not host_info.is_same_boot(tmp_path), "nothing is known of the last host"
    write_json(tmp_path / host_info.INFO_FILE, host_info.contents(tmp_path, None, 1))
    assert host_info.is_same_boot(tmp_path)
    monkeypatch.setattr(host_info, "BOOT_ID", tmp_path / "missing")
    assert not host_info.is_same_boot(tmp_path)
