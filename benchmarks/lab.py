"""Where benchmarks run: environments for ourselves and the peers, and a host of our own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.home import Home, end_of

ROOT = Path(__file__).resolve().parent.parent
NPM = ("concurrently", "pm2", "nf", "nodemon")
PACKAGES = {"nf": "foreman", "supervisord": "supervisor", "dekit": "dekit-cli", "circusd": "circus"}
"""Packages that are not named as the command they carry."""


def _run(*arguments: str | Path) -> None:
    subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=600)


@dataclass
class Bench:
    """One project directory with a host of its own."""

    directory: Path
    home: Home
    ours: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of every command."""
        return self.home.environment(SBXCOMPOSE_WARM="yes", NO_COLOR="1", PM2_HOME=str(self.home.root / "pm2"))

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.directory / name).write_text(text)

    def sbx(self, *arguments: str, check: bool = True) -> str:
        """Run our command to its end; what it printed."""
        done = subprocess.run(
            [self.ours, *arguments],
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"sbxcompose {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def warm_up(self) -> None:
        """Start the host, and wait for the fork server that the first command leaves behind."""
        self.sbx("ps")
        for _ in range(200):
            if json.loads(self.sbx("host", "status", "--json"))["fork_servers"]:
                return
            time.sleep(0.05)

    def host(self) -> dict[str, int]:
        """The pids of the host, as {"keeper": …, "server": …}."""
        status = json.loads(self.sbx("host", "status", "--json"))
        return {"keeper": status["keeper_pid"], "server": status["pid"]}

    def stop_host(self) -> None:
        """End the host and all it runs."""
        self.sbx("host", "stop", "--force", check=False)


@dataclass
class Lab:
    """All that benchmarks share. `cache` keeps environments from one time to the next."""

    cache: Path
    quick: bool = False
    missing: dict[str, str] = field(default_factory=dict)
    """Peers that cannot be had, and why."""

    def runs(self, full: int) -> int:
        """How often to measure: `full`, or less if it shall be quick."""
        return max(1, full // 4) if self.quick else full

    def versions(self) -> dict[str, str]:
        """Return the versions of ourselves and of the peers that are installed."""
        found = {}
        for place in sorted(path for path in self.cache.iterdir() if (path / "bin" / "python").exists()):
            package = {"ours": "sbxcompose"}.get(place.name, PACKAGES.get(place.name, place.name))
            code = f"import importlib.metadata as m; print(m.version({package!r}))"
            done = subprocess.run([place / "bin" / "python", "-c", code], capture_output=True, text=True, check=False)
            found[package] = done.stdout.strip() or "unknown"
        for name in NPM:
            described = self.cache / "npm" / "node_modules" / PACKAGES.get(name, name) / "package.json"
            if described.exists():
                found[name] = json.loads(described.read_text())["version"]
        return found

    def prepare(self) -> None:
        """Install this checkout into an environment of its own, as users have it."""
        if not self.python.exists():
            _run(sys.executable, "-m", "venv", self.cache / "ours")
            # The launcher that pip of 2023 writes imports `re`, which takes as long as a bare Python.
            _run(self.python, "-m", "pip", "install", "--quiet", "--upgrade", "pip")
        _run(self.python, "-m", "pip", "install", "--quiet", ROOT)

    @property
    def python(self) -> Path:
        """The Python that our installed command runs on."""
        return self.cache / "ours" / "bin" / "python"

    @property
    def ours(self) -> Path:
        """Our installed command."""
        return self.cache / "ours" / "bin" / "sbxcompose"

    def peer(self, name: str) -> Path | None:
        """The command of a peer, installed if need be; None if it cannot be had (then `missing` says why)."""
        if name in self.missing:
            return None
        path = self._peer_path(name)
        if not path.exists():
            try:
                self._install(name)
            except (OSError, subprocess.SubprocessError) as error:
                self.missing[name] = f"not installed: {error}"
                return None
        return path

    def _peer_path(self, name: str) -> Path:
        if name in NPM:
            return self.cache / "npm" / "node_modules" / ".bin" / name
        return self.cache / name / "bin" / name

    def _install(self, name: str) -> None:
        package = PACKAGES.get(name, name)
        if name in NPM:
            npm = shutil.which("npm")
            if npm is None:
                raise FileNotFoundError("npm is not installed")
            _run(npm, "install", "--silent", "--prefix", self.cache / "npm", package)
        else:
            _run(sys.executable, "-m", "venv", self.cache / name)
            _run(self.cache / name / "bin" / "python", "-m", "pip", "install", "--quiet", package)

    @contextmanager
    def bench(self) -> Iterator[Bench]:
        """A project directory and a host; at the end all is stopped, and what is left is killed."""
        with tempfile.TemporaryDirectory(prefix="sbxbench-") as directory, Home.temporary() as home:
            bench = Bench(Path(directory), home, self.ours)
            try:
                yield bench
            finally:
                bench.stop_host()
                end_of(home.marker, grace=1.0)
