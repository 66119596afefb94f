"""The fuzzer in an environment of its own: made once, kept in `.cache`, never our dependency."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "4.32.5"
"""Pinned: the same seed must mean the same requests tomorrow."""
PLACE = Path(__file__).parents[3] / ".cache" / "fuzzer"
PATIENCE = 240
"""Seconds that an installation may take."""


class Unavailable(Exception):
    """It cannot be had here; the message says why."""


def schemathesis() -> Path:
    """The command. Raises `Unavailable`."""
    directory = PLACE / f"schemathesis-{VERSION}-python{sys.version_info.major}.{sys.version_info.minor}"
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            shutil.rmtree(directory, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(directory))
            options = ("--quiet", "--disable-pip-version-check", "--retries", "1")
            _run(str(directory / "bin" / "python"), "-m", "pip", "install", *options, f"schemathesis=={VERSION}")
            (directory / "complete").touch()
    return directory / "bin" / "schemathesis"


def _run(*argv: str) -> None:
    # A pip of another environment must not be told that it runs in ours.
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environ)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{argv[0]}: {error}") from None
    if done.returncode:
        raise Unavailable(f"{' '.join(argv)} failed: {(done.stderr or done.stdout).strip()[-300:]}")
