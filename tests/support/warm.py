"""A fork server that runs Python code, for tests, and its clients."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sbxcompose.warm import control, place
from tests.support import handing
from tests.support.code_server import CLIENT
from tests.support.command import LIMIT, Running
from tests.support.home import MARKER

ROOT = Path(__file__).parents[2]
WARM = "WARM_SERVER"
"""The variable with the directory of the fork server that runs the commands of tests/cli."""
SUITE_SERVER = Path(__file__).with_name("suite_server.py")


class SuiteServer:
    """The fork server of a whole session of tests, in all workers; its directory is in the environment.

    `kind`: `bare` for one whose forks import our modules themselves (`suite_server.py`).
    """

    def __init__(self, kind: str = "") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="sbx-warm-", dir="/tmp"))
        self._env = {**handing.server_environment(), place.VARIABLE: str(self._folder)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SUITE_SERVER), str(os.getpid()), kind], env=self._env, start_new_session=True
        )
        while not control.paths(str(self._folder)):
            assert self._process.poll() is None, "the fork server has ended"
            time.sleep(0.01)
        os.environ[WARM] = str(self._folder)

    @property
    def pid(self) -> int:
        """The server's own."""
        return self._process.pid

    def end(self) -> None:
        """End it, and say how many commands it has run; fail if it has ended before, as later ones ran cold."""
        answers = control.all_status(self._env)
        print(f"\n{sum(status['commands'] for status in answers)} commands in forks of the server")
        code = self._process.poll()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder)
        if not answers:
            raise RuntimeError(f"the fork server of the tests ended early (exit code {code}): later commands ran cold")


class CodeServer:
    """A running server (`code_server.py`) in a directory; killed at the end."""

    def __init__(self, directory: Path, *arguments: str, **env: str) -> None:
        self.folder = directory / "w"
        self.folder.mkdir(mode=0o700)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
        more = {"SBXCOMPOSE_WARM": str(self.folder), MARKER: uuid.uuid4().hex, "TERM": "xterm"}
        self.env = {**kept, **more, "PYTHONPATH": str(ROOT), **env}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.support.code_server", *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == b"listening\n"

    def run(
        self, code: str, *, shell: str = "", stdin: int | None = subprocess.DEVNULL, pass_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run code in a fork, to its end; `shell`: words of a shell before the client's command."""
        command: list[Any] = [sys.executable, CLIENT, code]
        if shell:
            command = ["sh", "-c", f'{shell} "$@"', "sh", *command]
        return subprocess.run(
            command,
            env=self.env,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            pass_fds=pass_fds,
            start_new_session=True,
            check=False,
        )

    def start(self, code: str, *, terminal: bool = False) -> Running:
        """Run code in a fork, in the background."""
        return Running([sys.executable, str(CLIENT), code], ROOT, self.env, terminal)

    @staticmethod
    def wait_for_end(pidfd: int) -> None:
        """Wait for the end of a process, and close its descriptor."""
        ended = select.select([pidfd], [], [], LIMIT)[0]
        os.close(pidfd)
        assert ended, "still running"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()
