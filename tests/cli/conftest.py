"""Fixtures for tests of the installed command.

`sbx` shares one host among all tests of a session (starting one costs a third of a second), each test in a
project of its own. `sbx_alone` has a host to itself: for tests that kill, stop or look at the host.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from zlib import crc32

import pytest

from tests.support import asking
from tests.support.certificate import make_certificate
from tests.support.command import Running, Sbx
from tests.support.home import MARKER, Home, alive_with, end_of
from tests.support.plain_cloud import PlainCloud
from tests.support.warm import WARM

_numbers = count(1)
WARM_UP = "name: warm-up\nprocesses: {nothing: {command: ['true'], restart: never}}\n"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one part of the tests where COLD_PART names it (`2/4`): CI runs another part cold for each commit."""
    part, _, parts = (os.environ.get("COLD_PART") or "1/1").partition("/")
    left_out = [item for item in items if crc32(item.nodeid.encode()) % int(parts) != int(part) - 1]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@dataclass(kw_only=True)
class CloudSbx(Sbx):
    """`sbxcompose` in one project directory, which its sandboxes have at /workspace, and the cloud that it talks to."""

    plain: PlainCloud = field(repr=False)

    @contextmanager
    def two_ups(self, first: Sequence[str] = (), second: Sequence[str] = ()) -> Iterator[tuple[Running, Running]]:
        """Two `up -d`, with these options, that wait for the same sandbox, which does not get to run."""
        self.plain.pending = ["scheduling"] * 100_000
        with self.start("up", "-d", *first) as one:
            one.wait_for("sandbox app is pending: scheduling")
            with self.start("up", "-d", *second) as other:
                other.wait_for("sandbox app is pending: scheduling")
                yield one, other


def _environment(request: pytest.FixtureRequest, home: Home, **more: str) -> dict[str, str]:
    """The environment of commands, which run in forks of the suite's server if there is one (`make test`)."""
    cold = request.scope == "function" and request.node.get_closest_marker("cold") is not None
    return home.environment(SBXCOMPOSE_WARM="no" if cold else os.environ.get(WARM, "no"), **more)


def _project(directory: Path) -> Path:
    """A project directory whose name, and so the project's, is unique in the session."""
    project = directory / f"p{next(_numbers)}"
    project.mkdir()
    return project


@pytest.fixture(scope="session")
def shared_host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A running host that belongs to no test in particular."""
    with Home.temporary() as home:
        starter = Sbx(tmp_path_factory.mktemp("host"), home, _environment(request, home))
        starter.write(WARM_UP)
        starter.run("up", "-d")
        starter.run("down")
        try:
            yield home
        finally:
            asking.stop(home.socket)


@pytest.fixture(scope="session")
def shared_pids(shared_host: Home) -> dict[str, int]:
    """The process ids of the shared host as the last test has left it."""
    return asking.host_pids(shared_host.socket)


@contextmanager
def _used(runner: Sbx) -> Iterator[None]:
    """Clean up after a test; whatever it left running is an error."""
    try:
        yield
    finally:
        runner.close()
        with suppress(OSError):  # a test that has broken the host is told so by its fixture
            asking.terminate_all(runner.home.socket)
        left = end_of(runner.env[MARKER])
    assert not left, f"still alive after the test: {left}"


@pytest.fixture
def sbx(
    request: pytest.FixtureRequest, tmp_path: Path, shared_host: Home, shared_pids: dict[str, int]
) -> Iterator[Sbx]:
    """The command in an empty project directory; whatever the test left running is an error."""
    project = _project(tmp_path)
    marker = f"{shared_host.marker}-{project.name}"
    runner = Sbx(project, shared_host, _environment(request, shared_host, **{MARKER: marker}))
    with _used(runner):
        yield runner
    before = dict(shared_pids)
    shared_pids.clear()
    shared_pids.update(runner.host_pids())
    assert shared_pids == before, "the test broke the shared host: use `sbx_alone`"


@contextmanager
def _cloud(
    request: pytest.FixtureRequest, tmp_path: Path, shared_host: Home, tls: ssl.SSLContext | None = None
) -> Iterator[CloudSbx]:
    project = _project(tmp_path)
    marker = f"{shared_host.marker}-{project.name}"
    plain = PlainCloud(shared_host.socket, workspace=project, env={MARKER: marker, "PATH": os.environ["PATH"]})
    plain.tls = tls
    # To read the certificates of all the world takes each command 30 ms of CPU, and this cloud needs none of them.
    few = {} if tls else {"SSL_CERT_FILE": str(request.getfixturevalue("certificate"))}
    with plain.serving():
        more = {"SBXCOMPOSE_PROVIDER": "tensorlake", MARKER: marker, **few, **plain.environment}
        env = _environment(request, shared_host, **more)
        runner = CloudSbx(project, shared_host, env, plain=plain)
        with _used(runner):
            yield runner


@pytest.fixture
def cloud(request: pytest.FixtureRequest, tmp_path: Path, shared_host: Home) -> Iterator[CloudSbx]:
    """The command in a project whose sandboxes are in a cloud that has only the contract."""
    with _cloud(request, tmp_path, shared_host) as runner:
        yield runner


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for `localhost` that nobody trusts, with its key in the same file."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def https_cloud(
    request: pytest.FixtureRequest, tmp_path: Path, shared_host: Home, certificate: Path
) -> Iterator[CloudSbx]:
    """As `cloud`, over TLS; its certificate is not trusted unless SSL_CERT_FILE names it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with _cloud(request, tmp_path, shared_host, context) as runner:
        yield runner


@pytest.fixture
def sbx_alone(request: pytest.FixtureRequest, tmp_path: Path, home: Home) -> Iterator[Sbx]:
    """The command with a host of its own, which is stopped at the end."""
    runner = Sbx(_project(tmp_path), home, _environment(request, home))
    try:
        yield runner
    finally:
        runner.close()
        asking.stop(home.socket)
        if alive_with(home.marker):  # not all of a host that a test has broken answers
            runner.run("host", "stop", "--force", code=None)


@pytest.fixture
def dry(request: pytest.FixtureRequest, tmp_path: Path, home: Home) -> Iterator[Sbx]:
    """The command in an empty project directory, for what needs no host; the test fails if it has started one."""
    yield Sbx(_project(tmp_path), home, _environment(request, home))
    assert not (home.runtime / "host.sock").exists(), "a host was started"


@pytest.fixture
def here(sbx: Sbx, monkeypatch: pytest.MonkeyPatch) -> Sbx:
    """The project directory is the working directory of this process, and the test's host is its host."""
    for name, value in sbx.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(sbx.project)
    return sbx
