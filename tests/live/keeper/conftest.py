"""What the tests of the keeper have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest


@pytest.fixture(autouse=True)
def _give_back_descriptors() -> Iterator[None]:
    """Close the pipes of runs, which their tests leave open: `select` takes no descriptor above 1023."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    for name in set(os.listdir("/proc/self/fd")) - before:
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith(("pipe:", "anon_inode:[pidfd]")):
                os.close(int(name))
