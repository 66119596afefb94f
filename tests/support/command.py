"""The installed command as a test runs it: to its end, or in the background, with pipes or on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support import asking, handing
from tests.support.home import Home

COMMAND = Path(sys.executable).parent / "sbxcompose"
LIMIT = 120.0
"""Seconds that one command, or one wait for a line of it, may take."""


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.stdout)

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"


def finished(
    arguments: list[str], cwd: Path, env: Mapping[str, str], stdin: bytes = b"", timeout: float = LIMIT
) -> Result:
    """Run a command to its end: without a client where it can be handed to the suite's fork server."""
    handed = handing.run(arguments, cwd, env, stdin, timeout)
    if handed is not None:
        return Result(handed.code, handed.stdout.decode(errors="replace"), handed.stderr.decode(errors="replace"))
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env=env,
        input=stdin,
        capture_output=True,
        timeout=timeout,
        start_new_session=True,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


class Capture:
    """What has come out of a descriptor so far, read by a thread of its own; others can wait for more."""

    def __init__(self, descriptor: int, news: threading.Condition) -> None:
        self._descriptor = descriptor
        self._news = news
        self._data = bytearray()
        self.ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := self._chunk():
            with self._news:
                self._data += chunk
                self._news.notify_all()
        os.close(self._descriptor)
        with self._news:
            self.ended = True
            self._news.notify_all()

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, 1 << 16)
        except OSError:  # a terminal whose other side is closed says EIO instead of end of file
            return b""

    @property
    def data(self) -> bytes:
        return bytes(self._data)

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)


class Running:
    """A command in the background. Leaving the `with` block kills it if it still runs."""

    def __init__(self, arguments: list[str], directory: Path, env: Mapping[str, str], terminal: bool) -> None:
        self._news = threading.Condition()
        self._master: int | None = None
        self.process = (
            self._on_terminal(arguments, directory, env) if terminal else self._on_pipes(arguments, directory, env)
        )

    def _on_pipes(self, arguments: list[str], directory: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            arguments, cwd=directory, env=env, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
        assert process.stdout
        assert process.stderr
        self.out = Capture(os.dup(process.stdout.fileno()), self._news)
        self.err = Capture(os.dup(process.stderr.fileno()), self._news)
        process.stdout.close()
        process.stderr.close()
        return process

    def _on_terminal(self, arguments: list[str], directory: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        self._master, slave = pty.openpty()
        self.resize(24, 100)
        # setsid(1) makes standard input the new session's terminal, so that a typed Ctrl-C is a SIGINT, and
        # then replaces itself by the command, whose pid is therefore the one we get.
        process = subprocess.Popen(
            ["setsid", "--ctty", *arguments],
            cwd=directory,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.out = self.err = Capture(os.dup(self._master), self._news)
        return process

    def wait_for(self, pattern: str, *, count: int = 1, timeout: float = LIMIT) -> str:
        """Wait until the regular expression `pattern` was printed `count` times; returns all output so far.

        Raises `AssertionError`, with what was printed, when the command ends or the time is over before that.
        """
        deadline = time.monotonic() + timeout
        sought = re.compile(pattern)
        with self._news:
            while True:
                ended = self.out.ended and self.err.ended
                seen = self.everything
                if len(sought.findall(seen)) >= count:
                    return seen
                assert not ended, f"ended without printing {pattern!r}:\n{seen}"
                assert self._news.wait(max(0.0, deadline - time.monotonic())), f"did not print {pattern!r}:\n{seen}"

    @property
    def everything(self) -> str:
        """Standard output and standard error so far; on a terminal they are one."""
        return self.out.text if self.out is self.err else self.out.text + self.err.text

    def press(self, text: str | bytes) -> None:
        """Press keys on its terminal (`\\x03` is Ctrl-C), or write to its standard input."""
        data = text.encode() if isinstance(text, str) else text
        if self._master is not None:
            os.write(self._master, data)
        else:
            assert self.process.stdin
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def resize(self, rows: int, columns: int) -> None:
        """Give its terminal another size."""
        assert self._master is not None
        ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number: int) -> None:
        """Send a signal to the command alone, as `kill` does."""
        self.process.send_signal(number)

    def interrupt(self) -> None:
        """Ctrl-C: typed on a terminal, else sent to the command's whole group as a terminal would."""
        if self._master is not None:
            self.press(b"\x03")
        else:
            os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, timeout: float = LIMIT) -> Result:
        """Wait for its end."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s:\n{self.everything}") from None
        self.out.join(timeout)
        self.err.join(timeout)
        return Result(code, self.out.text, "" if self.out is self.err else self.err.text)

    def close(self) -> None:
        """Kill it if it still runs, and give back what it held."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        if self._master is not None:
            os.close(self._master)
            self._master = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass
class Sbx:
    """`sbxcompose` in one project directory, with one host."""

    project: Path
    home: Home
    env: dict[str, str]
    _started: list[Running] = field(default_factory=list)

    def write(self, text: str, name: str = "sbxcompose.yaml") -> Path:
        """Write a file of the project (the spec, unless another name is given)."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(
        self,
        *arguments: str,
        code: int | None = 0,
        stdin: str | bytes = "",
        timeout: float = LIMIT,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Result:
        """Run it to its end. `code` is the exit code that it must have; None takes any."""
        result = finished(
            [str(COMMAND), *arguments],
            cwd or self.project,
            {**self.env, **(env or {})},
            stdin.encode() if isinstance(stdin, str) else stdin,
            timeout,
        )
        assert code is None or result.code == code, f"sbxcompose {' '.join(arguments)}: {result}"
        return result

    def start(self, *arguments: str, terminal: bool = False, env: Mapping[str, str] | None = None) -> Running:
        """Run it in the background, on a terminal if wished. It is killed when the test is over."""
        running = Running([str(COMMAND), *arguments], self.project, {**self.env, **(env or {})}, terminal)
        self._started.append(running)
        return running

    def host_pids(self) -> dict[str, int]:
        """The process ids of the host: {"keeper": …, "server": …}; empty when none runs."""
        return asking.host_pids(self.home.socket)

    def close(self) -> None:
        """End the commands still running, then everything of the project."""
        for item in self._started:
            item.close()
