"""The vendor's clients, each in an environment of its own: made once, kept in `.cache/clients`, never our dependency.

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

PLACE = Path(__file__).parents[3] / ".cache" / "clients"
COMPLETE = "complete"
"""A file that is written when everything else is there."""
FRESH = 24 * 3600
"""Seconds for which the newest version is taken to be that."""
KEPT = 7 * FRESH
"""Seconds after which no test run can be using one that has a successor."""
PATIENCE = 240
"""Seconds that an installation may take."""

Install = Callable[[Path], None]


class Unavailable(Exception):
    """A client cannot be had here; the message says why."""


@cache
def python_sdk() -> Path:
    """A Python interpreter that has the newest SDK. Raises `Unavailable`."""
    return _environment(f"{_python_tag()}-newest", _pip("tensorlake"), FRESH) / "bin" / "python"


@cache
def command_line() -> Path:
    """The `tl` command of the last version that carries it on PyPI. Raises `Unavailable`."""
    return _environment(f"{_python_tag()}-0.5.59", _pip("tensorlake==0.5.59"), None) / "bin" / "tl"


@cache
def typescript_sdk() -> tuple[Path, Path]:
    """A Node 22, and the module of the newest SDK for it. Raises `Unavailable`."""
    modules = _environment("node22-newest", _npm("node@22", "tensorlake"), FRESH) / "node_modules"
    return modules / "node" / "bin" / "node", modules / "tensorlake" / "dist" / "index.js"


@cache
def deep_agents() -> Path:
    """A Python interpreter with the standard suite of Deep Agents' sandboxes, and the backend on Tensorlake.

    Raises `Unavailable`.
    """
    pinned = ("langchain-deepagents-tensorlake==0.1.1", "deepagents==0.7.0", "langchain-tests==1.1.9")
    return _environment(f"{_python_tag()}-deepagents", _pip(*pinned, "tensorlake==0.5.163"), None) / "bin" / "python"


@cache
def compute_sdk() -> tuple[Path, Path]:
    """A Node 22, and the module of ComputeSDK's provider with the SDK that it is pinned to. Raises `Unavailable`."""
    modules = _environment("node22-computesdk", _npm("@computesdk/tensorlake@0.1.9"), None) / "node_modules"
    return typescript_sdk()[0], modules / "@computesdk" / "tensorlake" / "dist" / "index.mjs"


CLIENTS: dict[str, Callable[[], object]] = {
    "python": python_sdk,
    "tl": command_line,
    "typescript": typescript_sdk,
    "deepagents": deep_agents,
    "computesdk": compute_sdk,
}


def _python_tag() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _environment(name: str, install: Install, fresh: float | None) -> Path:
    """The directory of an environment, made if there is none younger than `fresh` seconds (None: of any age)."""
    with _locked():
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


def _make(directory: Path, install: Install) -> None:
    try:
        directory.mkdir(parents=True)
        install(directory)
        (directory / COMPLETE).touch()
    finally:
        if not (directory / COMPLETE).exists():
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _locked() -> Iterator[None]:
    """One at a time, in whichever process."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _age(directory: Path) -> float:
    return time.time() - (directory / COMPLETE).stat().st_mtime


def _pip(*requirements: str) -> Install:
    def install(directory: Path) -> None:
        _run(sys.executable, "-m", "venv", str(directory))
        python = str(directory / "bin" / "python")
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", *requirements)
        _run(python, "-c", "import tensorlake.sandbox")

    return install


def _npm(*packages: str) -> Install:
    def install(directory: Path) -> None:
        if shutil.which("npm") is None:
            raise Unavailable("there is no npm")
        (directory / "package.json").write_text('{"private": true}\n')
        _run("npm", "install", "--prefix", str(directory), "--no-audit", "--no-fund", "--fetch-retries=1", *packages)
        if any(package.startswith("node@") for package in packages):
            _run(str(directory / "node_modules" / "node" / "bin" / "node"), "--version")

    return install


def _run(*argv: str) -> None:
    # A pip or npm of another environment must not be told that it runs in ours.
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environ)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{argv[0]}: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Unavailable(f"{' '.join(argv)} failed: {' / '.join(said)}")


if __name__ == "__main__":
    for _name, _make_it in CLIENTS.items():
        try:
            print(f"{_name}: {_make_it()}")
        except Unavailable as reason:
            print(f"{_name}: not to be had: {reason}", file=sys.stderr)
