"""What every test gets: a time limit, a clean environment, and directories of its own for a host."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests.support.home import Home
from tests.support.limit import LastResort, OutOfTime, time_limit
from tests.support.warm import SuiteServer
from tests.support.worker_reports import WorkerReports

# A shell that starts us in the background has us ignore these, and what is ignored stays so in all that we start.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

# The quick profile tries the same examples each time, so that a run fails only for what has changed; `thorough` tries
# new ones. How long it takes to make an example says something of the machine alone.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
if settings().derandomize:
    # Constants of our modules would be among the examples: others for each set of modules that a worker has imported
    # and for each edit, and reading all modules for them takes seconds where nothing is cached.
    providers._get_local_constants = lambda: providers._local_constants

TIME_LIMIT = 180 * max(1, settings().max_examples // 100)
"""Seconds that the set-up, the body and the tear-down of a test may take, each; more where it tries 2000 examples."""


last_resort = LastResort()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect with the garbage collector off: what is made then stays, and to walk it again and again takes long."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Freeze what collecting made: the garbage collector took a quarter of the time to walk it again and again.

    It is not collected first: that takes a fifth of a second in each worker, and finds next to nothing.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_configure(config: pytest.Config) -> None:
    """Start the fork server in which the commands of tests/cli run, where they shall run warm (`make test`)."""
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(WorkerReports())
    elif os.environ.get("WARM", "no") != "no":
        config.add_cleanup(SuiteServer(os.environ["WARM"]).end)


def pytest_unconfigure() -> None:
    """Nothing is limited any longer."""
    last_resort.end()


def _limit(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("time_limit")
    seconds = float(marker.args[0]) if marker else TIME_LIMIT
    last_resort.watch(seconds + 30)
    try:
        with time_limit(seconds, item.nodeid):
            return (yield)
    except OutOfTime as late:
        pytest.fail(str(late))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Limit the fixtures that come before a test."""
    return (yield from _limit(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Limit the test itself."""
    return (yield from _limit(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Limit what comes after a test."""
    return (yield from _limit(item))


@pytest.fixture(scope="session", autouse=True)
def _nobody_elses_settings() -> Iterator[None]:
    """Hide the settings of whoever runs the tests: none of them may change a result."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [item for item in os.environ if item.startswith(("SBXCOMPOSE_", "TENSORLAKE_"))]:
            patch.delenv(name)
        patch.setenv("SBXCOMPOSE_WARM", "no")  # no command leaves a process behind, unless a test wants that
        for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory with a short name: a Unix socket's path may have 107 bytes, and `tmp_path` has many."""
    directory = Path(tempfile.mkdtemp(prefix="sbx-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def home() -> Iterator[Home]:
    """Directories and an environment for a host that nobody else uses; see `Home`. Does not start one.

    Whatever carries its marker and still lives when the test is over is killed, and the test fails.
    """
    with Home.temporary() as own:
        yield own


@pytest.fixture
def host_environ(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """As `home`, with its variables set in this process too: for tests that call our code directly."""
    for name, value in home.variables.items():
        monkeypatch.setenv(name, value)
    return home
