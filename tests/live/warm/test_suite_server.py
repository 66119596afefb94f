"""The fork server of a session of tests: it lasts as long as the session, and no longer; its early end is told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from sbxcompose.warm import server
from tests.support import suite_server
from tests.support.warm import ROOT, WARM, CodeServer, SuiteServer

SESSION = """
import os
from tests.support.warm import WARM, SuiteServer
print(SuiteServer("bare").pid, os.environ[WARM], flush=True)
input()
"""


def test_a_session_without_commands_for_an_hour_keeps_it() -> None:
    assert suite_server.IDLE - server.IDLE > 3600


def test_its_early_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WARM, "")
    started = SuiteServer("bare")
    pidfd = os.pidfd_open(started.pid)
    os.kill(started.pid, signal.SIGKILL)
    CodeServer.wait_for_end(pidfd)
    with pytest.raises(RuntimeError, match="ended early"):
        started.end()


def test_it_ends_with_a_session_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SESSION], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as session:
        assert session.stdout is not None
        pid, folder = session.stdout.readline().decode().split()
        pidfd = os.pidfd_open(int(pid))
        session.kill()
    CodeServer.wait_for_end(pidfd)
    shutil.rmtree(folder)
