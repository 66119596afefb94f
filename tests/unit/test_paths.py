"""Where the host keeps its things, and which places it refuses."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from sbxcompose.paths import (
    PathError,
    lock_path,
    log_path,
    runtime_directory,
    socket_path,
    state_directory,
)


def test_variables_come_before_the_desktops_and_those_before_home(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home")}
    assert state_directory(environ) == tmp_path / "home/.local/state/sbxcompose"
    environ["XDG_STATE_HOME"] = str(tmp_path / "xdg")
    assert state_directory(environ) == tmp_path / "xdg/sbxcompose"
    environ["XDG_STATE_HOME"] = "relative is to be ignored"
    assert state_directory(environ) == tmp_path / "home/.local/state/sbxcompose"
    environ["SBXCOMPOSE_STATE_DIR"] = str(tmp_path / "own")
    assert state_directory(environ) == tmp_path / "own"
    environ["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    assert runtime_directory(environ) == tmp_path / "run/sbxcompose"
    environ["SBXCOMPOSE_RUNTIME_DIR"] = str(tmp_path / "r")
    assert runtime_directory(environ) == tmp_path / "r"
    assert (socket_path(environ), lock_path(environ), log_path(environ)) == (
        tmp_path / "r/host.sock",
        tmp_path / "own/host.lock",
        tmp_path / "r/host.log",
    )


def test_they_are_made_for_the_user_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = runtime_directory({"SBXCOMPOSE_RUNTIME_DIR": str(tmp_path / "new/er")})
    finally:
        os.umask(old)
    assert made.stat().st_mode & 0o777 == 0o700


def test_one_that_others_may_enter_is_refused_and_not_changed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(PathError, match=r"open is open to other users \(mode 0755\)") as caught:
        runtime_directory({"SBXCOMPOSE_RUNTIME_DIR": str(tmp_path / "open")})
    assert caught.value.hint == f"chmod 700 {tmp_path / 'open'}"
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o755


def test_one_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(PathError, match="belongs to another user"):
        state_directory({"SBXCOMPOSE_STATE_DIR": str(tmp_path)})


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PathError, match="not a directory"):
        state_directory({"SBXCOMPOSE_STATE_DIR": str(tmp_path / "file")})
    with pytest.raises(PathError, match=r"(cannot use|not a directory)"):
        state_directory({"SBXCOMPOSE_STATE_DIR": str(tmp_path / "file/below")})


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    fits = tmp_path / ("x" * (107 - len(str(tmp_path)) - len("//host.sock")))
    assert len(str(socket_path({"SBXCOMPOSE_RUNTIME_DIR": str(fits)}))) == 107
    with pytest.raises(PathError, match=r"too long \(108 bytes of 107\)") as caught:
        socket_path({"SBXCOMPOSE_RUNTIME_DIR": f"{fits}x"})
    assert caught.value.exit_code == 3
    assert caught.value.hint == "set SBXCOMPOSE_RUNTIME_DIR to a shorter directory"


@pytest.mark.parametrize("home", ["", "home", "./home"])
def test_a_relative_home_gives_way_to_that_of_the_account(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwd.getpwuid", lambda uid: SimpleNamespace(pw_dir="/home/of/the/account"))
    assert state_directory({"HOME": home}) == Path("/home/of/the/account/.local/state/sbxcompose")
