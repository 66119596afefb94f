"""Programs of others, each in an environment of its own: made once, kept in `.cache/programs`, never our dependency.

What is kept is never changed: the newest version is looked for once a day, in a new directory, so that a test run under
way keeps what it has. Without a network the latest one that was made will do.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

PLACE = Path(__file__).parents[2] / ".cache" / "programs"
COMPLETE = "complete"
"""A file that is written when everything else is there."""
DAY = 24 * 3600
"""Seconds for which the newest version is taken to be that."""
KEPT = 7 * DAY
"""Seconds after which no test run can be using one that has a successor."""
PATIENCE = 240
"""Seconds that an installation may take."""

Install = Callable[[Path], None]


class Unavailable(Exception):
    """A program cannot be had here; the message says why."""


def python_tag() -> str:
    """The version of this Python, as part of an environment's name."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def environment(name: str, install: Install, fresh: float | None = None) -> Path:
    """The directory of an environment, made if there is none younger than `fresh` seconds (None: of any age).

    Raises `Unavailable`.
    """
    with _locked(name):
        known = sorted(path.parent for path in PLACE.glob(f"{name}.*/{COMPLETE}"))
        if known and (fresh is None or _age(known[-1]) < fresh):
            return known[-1]
        made = PLACE / f"{name}.{time.time_ns()}"
        try:
            _make(made, install)
        except Unavailable:
            if not known:
                raise
            return known[-1]
        for old in known:
            if _age(old) > KEPT:
                shutil.rmtree(old, ignore_errors=True)
        return made


def python_packages(*requirements: str, check: tuple[str, ...]) -> Install:
    """Install from PyPI; `check` are arguments of the new Python, which must end well.

    uv takes seconds where pip takes half a minute. Where there is none, or it reaches nothing, pip will do.
    """

    def install(directory: Path) -> None:
        python = str(directory / "bin" / "python")
        _run(sys.executable, "-m", "venv", "--without-pip", str(directory))
        try:
            _run(uv(), "pip", "install", "--quiet", "--python", python, *requirements)
        except Unavailable:
            pip = (sys.executable, "-m", "pip", "--python", python)
            _run(*pip, "install", "--quiet", "--disable-pip-version-check", "--retries", "1", *requirements)
        _run(python, *check)  # compiles what it imports, too

    return install


def python_sources(requirement: str, *requirements: str, check: tuple[str, ...]) -> Install:
    """Install from PyPI the first one with `requirements`, and unpack its source, tests included, into `source`."""
    packages = python_packages(requirement, *requirements, check=check)

    def install(directory: Path) -> None:
        packages(directory)
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "1")
        _run(*pip, "--no-deps", "--no-binary", ":all:", "--dest", str(directory / "packed"), requirement)
        (packed,) = (directory / "packed").iterdir()
        (directory / "unpacked").mkdir()
        # tar, because `tarfile` has its filters only since 3.11.4.
        _run("tar", "--extract", "--no-same-owner", "--file", str(packed), "--directory", str(directory / "unpacked"))
        (unpacked,) = (directory / "unpacked").iterdir()
        unpacked.rename(directory / "source")

    return install


def node_packages(*packages: str, check: tuple[str, ...] = ()) -> Install:
    """Install from npm's registry; `check` is a command in the directory, which must end well.

    Of pinned versions what npm has in its cache is taken without asking.
    """

    def install(directory: Path) -> None:
        if shutil.which("npm") is None:
            raise Unavailable("there is no npm")
        (directory / "package.json").write_text('{"private": true}\n')
        pinned = ["--prefer-offline"] if all("@" in package[1:] for package in packages) else []
        options = ("--prefix", str(directory), "--no-audit", "--no-fund", "--fetch-retries=1", *pinned)
        _run("npm", "install", *options, *packages)
        if check:
            _run(str(directory / check[0]), *check[1:])

    return install


@cache
def uv() -> str:
    """The command uv: that of this environment, which `make` installs, or one in PATH. Raises `Unavailable`."""
    own = Path(sys.executable).with_name("uv")
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise Unavailable("there is no uv")
    return found


def _make(directory: Path, install: Install) -> None:
    try:
        directory.mkdir(parents=True)
        install(directory)
        (directory / COMPLETE).touch()
    finally:
        if not (directory / COMPLETE).exists():
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """One at a time makes an environment, in whichever process or thread."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _age(directory: Path) -> float:
    return time.time() - (directory / COMPLETE).stat().st_mtime


def _run(*argv: str) -> None:
    # A pip or npm of another environment must not be told that it runs in ours; what is imported stays compiled.
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    environ.setdefault("UV_SYSTEM_CERTS", "1")  # as pip and npm: certificates that were added to the machine count
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environ)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{argv[0]}: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Unavailable(f"{' '.join(argv)} failed: {' / '.join(said)}")
