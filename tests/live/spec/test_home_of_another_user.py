"""Root with the `HOME` of another user, as `sudo` may leave it: nothing is made there that the user could not use."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from sbxcompose.spec.cache_place import cache_directory
from sbxcompose.state_place import state_place

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files in the home of another user")


def test_the_home_of_the_account_is_used(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    environ = {"HOME": str(tmp_path)}
    account = pwd.getpwuid(0).pw_dir
    assert state_place(environ) == f"{account}/.local/state/sbxcompose"
    assert cache_directory(environ) == f"{account}/.cache/sbxcompose"


def test_an_own_home_and_one_that_is_missing_are_used(tmp_path: Path) -> None:
    for home in (tmp_path, tmp_path / "missing"):
        environ = {"HOME": str(home)}
        assert state_place(environ) == f"{home}/.local/state/sbxcompose"
        assert cache_directory(environ) == f"{home}/.cache/sbxcompose"
