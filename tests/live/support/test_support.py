"""The helpers of the tests are tested too: a check that cannot fail would guard nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.support.command import Running
from tests.support.home import MARKER, Home, alive_with
from tests.support.limit import OutOfTime, time_limit
from tests.support.worker_reports import SHOWN_FROM, worth_sending


def test_a_process_left_alive_fails_the_test_and_is_killed() -> None:
    with (
        pytest.raises(AssertionError, match=r"still alive after the test: .*cat"),
        Home.temporary(grace=0) as home,
    ):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=home.environment())
    assert child.wait() == -9
    child.communicate()


def test_a_process_is_found_by_its_marker_wherever_it_went() -> None:
    with Home.temporary() as home:
        command = ["setsid", sys.executable, "-c", "print('up', flush=True); input()"]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=home.environment(), text=True
        )
        assert child.stdout
        assert child.stdout.readline() == "up\n"
        assert list(alive_with(home.marker)) == [child.pid]
        child.communicate("\n")
        assert alive_with(home.marker) == {}


def test_a_command_on_a_terminal_sees_one_and_gets_its_keys(home: Home) -> None:
    script = "test -t 0 && echo a terminal; read word; echo got $word; exec cat"
    with Running(["sh", "-c", script], Path("/"), home.environment(), terminal=True) as running:
        running.wait_for("a terminal")
        running.press("abc\n")
        running.wait_for("got abc")
        running.interrupt()
        assert running.wait().code == -2


def test_waiting_for_a_line_that_never_comes_says_what_came_instead(home: Home) -> None:
    with (
        Running([sys.executable, "-c", "print('other')"], Path("/"), home.environment(), False) as running,
        pytest.raises(AssertionError, match=r"(?s)without printing 'wanted'.*other"),
    ):
        running.wait_for("wanted")


def test_a_test_that_hangs_is_ended() -> None:
    with pytest.raises(OutOfTime, match=r"took longer than 0\.01 s"), time_limit(0.01, "it"):
        signal.pause()


def test_the_environment_of_a_home_carries_its_marker(home: Home) -> None:
    assert home.environment()[MARKER] == home.marker
    assert len(str(home.runtime / "host.sock")) < 50


def report(
    when: Literal["setup", "call", "teardown"],
    outcome: Literal["passed", "failed", "skipped"] = "passed",
    duration: float = 0.0,
) -> pytest.TestReport:
    return pytest.TestReport("it", ("file", 1, "it"), {"it": 1}, outcome, None, when, duration=duration)


def test_a_worker_tells_of_each_test_and_of_each_failure() -> None:
    quick = [report("setup"), report("call"), report("teardown")]
    assert worth_sending(quick) == quick[1:2]
    for failed in (
        [report("setup", "failed"), report("teardown")],
        [report("setup", "skipped"), report("teardown")],
        [report("setup", duration=SHOWN_FROM), report("call", "failed"), report("teardown", "failed")],
    ):
        kept = [item for item in failed if not item.passed or item.duration]
        assert worth_sending(failed) == kept
        assert [bool(item.keywords) for item in kept] == [not item.passed for item in kept]
