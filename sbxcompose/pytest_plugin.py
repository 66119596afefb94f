"""A pytest plugin: the fixture `sbx_project` brings the project up once for all tests of a session.

Nothing of sbxcompose is imported until the fixture is used.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sbxcompose.plurals import counted

if TYPE_CHECKING:
    from sbxcompose.sync import SyncProject

FIXTURE = "sbx_project"
SHOWN_LINES = 100
"""Lines of output that are shown with a test that failed."""

_opened: pytest.StashKey[SyncProject] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings of the fixture."""
    parser.addini("sbxcompose_files", "files of the project (default: found from the root directory)", "args", [])
    parser.addini("sbxcompose_profiles", "profiles to enable", "args", [])
    parser.addini("sbxcompose_processes", "processes to start, with what they need (default: all)", "args", [])
    parser.addini("sbxcompose_free_ports", "variables that are set to free ports", "args", [])
    parser.addini("sbxcompose_timeout", "seconds that the project may take until it is ready", default="60")


@pytest.fixture(scope="session")
def sbx_options(pytestconfig: pytest.Config) -> dict[str, Any]:
    """Arguments of `sbxcompose.load` for the project of the tests; override it to compute them.

    The environment that it returns as `env` has a free port for each variable of `sbxcompose_free_ports`.
    """
    return {
        "files": pytestconfig.getini("sbxcompose_files"),
        "directory": str(pytestconfig.rootpath),
        "profiles": pytestconfig.getini("sbxcompose_profiles"),
        "env": free_ports(pytestconfig.getini("sbxcompose_free_ports")),
    }


@pytest.fixture(scope="session")
def sbx_project(pytestconfig: pytest.Config, sbx_options: dict[str, Any]) -> Iterator[SyncProject]:
    """Bring the project up, ready, as a `sbxcompose.sync.SyncProject`; take it down at the end of the session.

    It has a name of its own, so that it does not touch what was started with `sbxcompose up`, nor that of another
    worker of pytest-xdist.
    """
    from sbxcompose import load, sync

    options = {**sbx_options, "directory": sbx_options.get("directory", str(pytestconfig.rootpath))}
    files = [os.path.join(options["directory"], file) for file in options.pop("files", ())]
    with _plain_errors():
        name = options.pop("project_name", None) or load(*files, **options).name
    own_name = f"{name[:40]}-pytest-{os.getpid()}"
    with _plain_errors(), sync.open_project(*files, **options, project_name=own_name) as project:
        pytestconfig.stash[_opened] = project
        try:
            names = pytestconfig.getini("sbxcompose_processes")
            project.up(*names, wait=True, timeout=float(pytestconfig.getini("sbxcompose_timeout")))
            yield project
        finally:
            del pytestconfig.stash[_opened]
            project.down(terminate=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Fail with what is wrong with the project; a traceback through sbxcompose would hide it."""
    from sbxcompose.client.error_words import error_words
    from sbxcompose.errors import SbxError

    try:
        yield
    except SbxError as error:
        pytest.fail(f"sbxcompose: {error_words(error)}", pytrace=False)


def free_ports(variables: list[str]) -> dict[str, str]:
    """Find a free port of this machine for each variable, no two alike."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in variables]
        return {name: str(bound.getsockname()[1]) for name, bound in zip(variables, sockets, strict=True)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test what the processes have written while it ran."""
    report = yield
    project = item.config.stash.get(_opened, None) if FIXTURE in getattr(item, "fixturenames", ()) else None
    if project is not None and report.failed and call.when == "call":
        report.sections.append(("Output of the sbxcompose project", _output_since(project, call.start)))
    return report


def _output_since(project: SyncProject, moment: float) -> str:
    """Return the last lines that were written since then; a project that cannot be asked has none."""
    from sbxcompose.errors import SbxError

    try:
        lines = [f"{line.name} | {line.text}" for line in project.logs(since=moment)]
    except SbxError as error:
        return f"cannot be read: {error.message}"
    if not lines:
        return "(none)"
    left_out = [f"({counted(len(lines) - SHOWN_LINES, 'earlier line')} left out)"] if len(lines) > SHOWN_LINES else []
    return "\n".join([*left_out, *lines[-SHOWN_LINES:]])
