"""A terminal that shows what a person would see: a pane of tmux, driven by keys, with waits for what it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.command import LIMIT, Capture

TMUX = shutil.which("tmux")


class Pane:
    """One pane in a server of its own, whose socket and pipe are in `directory`.

    `words` is what runs in it. Leaving the `with` block ends the server, and with it what runs.
    """

    def __init__(
        self, directory: Path, cwd: Path, env: Mapping[str, str], *words: str, columns: int = 100, rows: int = 30
    ) -> None:
        assert TMUX is not None, "ask `TMUX` before"
        self._env = {**env, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self._cwd = cwd
        self._socket = directory / "tmux"
        self._news = threading.Condition()
        size = ("-x", str(columns), "-y", str(rows))
        # The pane waits for a line until its output is listened to, so that none of it is missed.
        gate = directory / "gate"
        os.mkfifo(gate)
        first = ("sh", "-c", 'read _ <"$0"; exec "$@"', str(gate), *words)
        self.tmux("-f", "/dev/null", "new-session", "-d", *size, "-s", "test", *first)
        pipe = directory / "output"
        os.mkfifo(pipe)
        self.tmux("pipe-pane", "-O", f"exec cat >'{pipe}'")
        self._output = Capture(os.open(pipe, os.O_RDONLY), self._news)
        gate.write_text("go\n")

    def tmux(self, *arguments: str) -> str:
        """Run a command of tmux; what it prints."""
        command = [str(TMUX), "-S", str(self._socket), *arguments]
        done = subprocess.run(command, cwd=self._cwd, env=self._env, capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def shown(self, *, history: bool = False) -> str:
        """What the pane shows now; with `history` also what has been scrolled out of it."""
        return self.tmux("capture-pane", "-p", "-t", "test", *(("-S", "-") if history else ()))

    def wait_for(self, pattern: str, *, gone: bool = False) -> str:
        """Wait until the pane shows what matches `pattern`, or no longer does; return all that it shows."""
        deadline = time.monotonic() + LIMIT
        with self._news:
            while True:
                shown = self.shown()
                if bool(re.search(pattern, shown)) is not gone:
                    return shown
                assert not self._output.ended, f"ended without showing {pattern!r}:\n{shown}"
                assert self._news.wait(deadline - time.monotonic()), f"does not show {pattern!r}:\n{shown}"

    def write(self, text: str) -> None:
        """Type text as it is."""
        self.tmux("send-keys", "-t", "test", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by the names that tmux has for them: `Enter`, `Tab`, `C-c`, `Down`."""
        self.tmux("send-keys", "-t", "test", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        self.tmux("resize-window", "-t", "test", "-x", str(columns), "-y", str(rows))

    def modes(self) -> dict[str, str]:
        """How the terminal stands: the alternate screen, the cursor, the mouse, and keys."""
        names = ("alternate_on", "cursor_flag", "mouse_any_flag", "keypad_flag", "keypad_cursor_flag", "wrap_flag")
        found = self.tmux("display-message", "-p", "-t", "test", " ".join(f"#{{{name}}}" for name in names))
        return dict(zip(names, found.split(), strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tmux("kill-server")
        self._output.join(LIMIT)
