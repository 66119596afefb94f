"""State directories on a disk of their own, which is small, for the tests of what happens when it is full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.home import Home


@contextmanager
def small_state(home: Home, size: str) -> Iterator[Home]:
    """Mount a disk of `size` (`1m`) at the state directory of a home. Skips the test where that is not possible."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount")
    home.state.mkdir(mode=0o700)
    command = [mount, "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(home.state)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield home
    finally:
        subprocess.run(["umount", "-l", str(home.state)], check=True)


def fill(directory: Path) -> Path:
    """Write a file until nothing is left; the file."""
    path = directory / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return path
