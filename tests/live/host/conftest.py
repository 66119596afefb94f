"""A host and a sandbox for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.host.hosts import Box, LiveHost, live_host
from tests.support.home import Home


@pytest.fixture
def host(host_environ: Home) -> Iterator[LiveHost]:
    """A host that nobody else uses."""
    with live_host(host_environ) as own:
        yield own


@pytest.fixture
def box(host: LiveHost) -> Box:
    """A sandbox in it."""
    return host.box()
