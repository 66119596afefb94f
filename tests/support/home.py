"""A place for a host of one's own, and the check that nothing of it outlives the test."""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MARKER = "SBXCOMPOSE_TEST_ID"
"""The variable that every process which a test starts inherits, however far it strays."""
IDLE = "86400"
"""Seconds: a host that tests share must not end because a worker needs ten minutes for tests that use another one."""


@dataclass(frozen=True)
class Home:
    """Where one host keeps its things: `state`, `runtime` (short enough for a socket), `cache`, a HOME."""

    root: Path
    marker: str

    @property
    def state(self) -> Path:
        return self.root / "s"

    @property
    def runtime(self) -> Path:
        return self.root / "r"

    @property
    def socket(self) -> Path:
        return self.runtime / "host.sock"

    @property
    def variables(self) -> dict[str, str]:
        """What has to be in the environment of whoever shall use these directories."""
        return {
            "SBXCOMPOSE_STATE_DIR": str(self.state),
            "SBXCOMPOSE_RUNTIME_DIR": str(self.runtime),
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "HOME": str(self.root),
            "SBXCOMPOSE_HOST_IDLE": IDLE,
            MARKER: self.marker,
        }

    def environment(self, **more: str) -> dict[str, str]:
        """A whole environment: what a command needs of ours, `variables`, and `more`."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "USER") if name in os.environ}
        return {
            **kept,
            "TERM": "xterm-256color",
            "SBXCOMPOSE_WARM": "no",
            **self.variables,
            **more,
        }

    @classmethod
    @contextmanager
    def temporary(cls, grace: float = 60.0) -> Iterator[Home]:
        """A home that is removed at the end; `AssertionError` if processes of it are still alive then."""
        home = cls(Path(tempfile.mkdtemp(prefix="sbx-", dir="/tmp")), uuid.uuid4().hex)
        try:
            yield home
        finally:
            left = end_of(home.marker, grace)
            shutil.rmtree(home.root, ignore_errors=True)
        assert not left, f"still alive after the test: {left}"


def alive_with(marker: str) -> dict[int, str]:
    """The processes whose environment carries `marker`, without this one: {pid: command line}."""
    found = {}
    wanted = f"{MARKER}={marker}".encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        # Plainly, and split only where it may be there: nearly every test reads those of all processes.
        with suppress(OSError), open(f"/proc/{name}/environ", "rb", buffering=0) as file:
            environ = file.read()
            if wanted in environ and wanted in environ.split(b"\0") and int(name) != os.getpid():
                command = Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(name)] = command.strip()
    return found


def wait_gone(pids: list[int], seconds: float) -> bool:
    """Wait until none of `pids` runs any more, at most `seconds`; whether that came true."""
    deadline = time.monotonic() + seconds
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([descriptor], [], [], left)[0]:
                return False
        finally:
            os.close(descriptor)
    return True


def end_of(marker: str, grace: float = 60.0) -> dict[int, str]:
    """Give what carries `marker` a moment to be gone, kill the rest, and return what had to be killed."""
    left = alive_with(marker)
    wait_gone(list(left), grace)
    killed: dict[int, str] = {}
    while left and (left := alive_with(marker)):
        killed |= left
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_gone(list(left), 60.0)
    return killed
