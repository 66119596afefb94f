"""A host and a sandbox for the tests of this folder.

A test that wants a `box` alone shares hosts with others of its kind, and runs twice: through the Unix socket, in a
sandbox as programs get it, which is isolated where this machine permits it; and not isolated through TCP with a key and
a proxy. (The vendor's clients, in tests/live/sdk, speak TCP without one.) One marked `not_isolated` is about files,
pids or programs of this machine: its box never is. One that wants a `host` has it to itself, and speaks to its Unix
socket. To start one takes half a second of CPU time: a test that needs the Unix socket, but no host that is new or may
be killed, wants the `kept_host`, or the `killed_host` if it kills one half of it, and one to which the way to the host
does not matter the `kept_box`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.live.host.hosts import Box, LiveHost, client_of, lasting_host, live_host
from tests.live.host.proxy import proxy_to
from tests.support.home import Home

TRANSPORTS = ("unix", "proxy")
KEY = "a-key-for-tests"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See above."""
    if "shared_host" in metafunc.fixturenames and "host" not in metafunc.fixturenames:
        metafunc.parametrize("shared_host", TRANSPORTS, indirect=True, scope="session")


@pytest.fixture
def host(host_environ: Home) -> Iterator[LiveHost]:
    """A host that nobody else uses."""
    with live_host(host_environ) as own:
        yield own


def _host_of_a_session() -> Iterator[LiveHost]:
    with lasting_host(port=0, key=KEY) as host:
        yield host


@pytest.fixture(scope="session")
def _kept_host() -> Iterator[LiveHost]:
    yield from _host_of_a_session()


@pytest.fixture
def kept_host(_kept_host: LiveHost) -> Iterator[LiveHost]:
    """A host that tests use one after the other: none kills it, and what a test has made is gone after it."""
    yield _kept_host
    _kept_host.clear()


@pytest.fixture(scope="session")
def _killed_host() -> Iterator[LiveHost]:
    yield from _host_of_a_session()


@pytest.fixture
def killed_host(_killed_host: LiveHost) -> Iterator[LiveHost]:
    """A host of which tests kill the server or the keeper, one after the other, which it outlives."""
    yield _killed_host
    _killed_host.clear()


@pytest.fixture
def kept_box(request: pytest.FixtureRequest, kept_host: LiveHost) -> Box:
    """A sandbox in it."""
    return kept_host.box(**_isolation(request.node.get_closest_marker("not_isolated") is not None))


def _isolation(switched_off: bool) -> dict[str, str]:
    return {"isolation": "none"} if switched_off else {}


@pytest.fixture(scope="session")
def shared_host(request: pytest.FixtureRequest) -> Iterator[LiveHost | None]:
    """A host that many tests use, each with a sandbox of its own, spoken to in one of `TRANSPORTS`."""
    transport = getattr(request, "param", None)
    if transport is None:
        yield None
        return
    with ExitStack() as stack:
        host = stack.enter_context(lasting_host(port=0, key=KEY))
        if transport == "proxy":
            address = stack.enter_context(proxy_to(int(host.status["tcp"].rpartition(":")[2])))
            host.http.close()
            host.http = client_of(tcp=address, key=KEY)
        yield host


@pytest.fixture
def box(request: pytest.FixtureRequest, shared_host: LiveHost | None) -> Iterator[Box]:
    """A sandbox: in the test's own host if it has one, else in a shared one, where it is terminated after the test."""
    marked = request.node.get_closest_marker("not_isolated") is not None
    if shared_host is None:
        yield request.getfixturevalue("host").box(**_isolation(marked))
        return
    box = shared_host.box(**_isolation(marked or request.node.callspec.params["shared_host"] != "unix"))
    yield box
    shared_host.http.delete(f"/sandboxes/{box.id}")
