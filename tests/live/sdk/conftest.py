"""The vendor's clients and a host for them. A client that cannot be had is a skip, unless it is said to be required."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.sdk.clients import SCRIPTS, Host, Sdk, Tl, serving
from tests.support import programs

REQUIRED = frozenset(os.environ.get("SBXCOMPOSE_REQUIRE_CLIENTS", "").replace(",", " ").split())
"""Programs (`python`, `tl`, `typescript`, …) without which the tests fail instead of being skipped."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make what the tests need before the first of them, whose time it would take."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        programs.made([name for name in programs.PROGRAMS if name != "fuzzer"])


@pytest.fixture(scope="session")
def need() -> Callable[[str], None]:
    """Skip the test, or fail it, if a client cannot be had."""
    return _need


def _need(name: str) -> None:
    missing = programs.missing(name)
    if missing is not None and name in REQUIRED:
        pytest.fail(f"SBXCOMPOSE_REQUIRE_CLIENTS names {name}, which cannot be had: {missing}")
    if missing is not None:
        pytest.skip(f"the client {name} cannot be had: {missing}")


@pytest.fixture(scope="session")
def vendor_host() -> Iterator[Host]:
    """A host for all tests of the session: each has sandboxes of its own."""
    with serving() as host:
        yield host


@pytest.fixture
def box(vendor_host: Host) -> Iterator[str]:
    """The name of a new sandbox, which is terminated after the test."""
    name = vendor_host.box()
    yield name
    vendor_host.delete(name)


def _quiet(sdk: Sdk) -> Iterator[Sdk]:
    """Lend it to a test, which must not have made it try anything again (contract, section 7.3)."""
    yield sdk
    assert sdk.complaints() == ""


@pytest.fixture(scope="session")
def python_sdks(vendor_host: Host) -> Iterator[dict[str, Sdk]]:
    """The Python SDK's two faces."""
    _need("python")
    driver = [str(programs.python_sdk()), str(SCRIPTS / "driver.py")]
    sdks = {kind: Sdk(kind, [*driver, kind], vendor_host) for kind in ("sync", "async")}
    yield sdks
    for one_sdk in sdks.values():
        one_sdk.close()


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, python_sdks: dict[str, Sdk]) -> Iterator[Sdk]:
    """The newest Python SDK, once synchronous and once asynchronous."""
    yield from _quiet(python_sdks[request.param])


@pytest.fixture
def sync_sdk(python_sdks: dict[str, Sdk]) -> Iterator[Sdk]:
    """The newest Python SDK, synchronous."""
    yield from _quiet(python_sdks["sync"])


@pytest.fixture(scope="session")
def node_sdk(vendor_host: Host) -> Iterator[Sdk]:
    """The newest TypeScript SDK's process."""
    _need("typescript")
    node, module = programs.typescript_sdk()
    sdk = Sdk("typescript", [str(node), str(SCRIPTS / "driver.mjs"), str(module)], vendor_host)
    yield sdk
    sdk.close()


@pytest.fixture
def ts(node_sdk: Sdk) -> Iterator[Sdk]:
    """The newest TypeScript SDK."""
    yield from _quiet(node_sdk)


@pytest.fixture
def tl(vendor_host: Host) -> Tl:
    """The vendor's command line."""
    _need("tl")
    return Tl(programs.command_line(), vendor_host)
