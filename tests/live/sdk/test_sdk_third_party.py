"""Programs of others on the emulator: a standard suite of theirs, and a provider driven through all it offers.

What fails is either a bug of the host or in this table with its cause; docs/third-party.md tells people the same.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.sdk.clients import SCRIPTS, Host, serving
from tests.support import programs

PATIENCE = 280
"""Seconds for a suite: it takes some ten, and much longer on a loaded machine."""
PAGE_ENDS = (
    "test_aread_large_text_payload_paginated_roundtrip",
    "test_write_read_download_large_text_with_escaped_content",
    "test_awrite_aread_adownload_large_text_with_escaped_content",
)
"""The backend ends a page with a line break, the suite expects none: a difference of two packages, not of the wire."""
FAILED = re.compile(r"^(?:FAILED|ERROR) .*::(\w+)", re.MULTILINE)


@pytest.fixture(scope="module")
def machine(need: Callable[[str], None]) -> Iterator[Host]:
    """A host for programs of others: isolated sandboxes, and what such programs cannot do without."""
    need("deepagents")
    with serving("--isolation", "overlay", "--accept", "one-sandbox") as host:
        yield host


def run(host: Host, *argv: str | Path) -> str:
    """What a program writes, whatever its exit code."""
    done = subprocess.run(
        [str(part) for part in argv],
        env=host.environment,
        cwd=host.home.root,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.time_limit(300)
def test_standard_suite_of_a_deep_agents_backend(machine: Host) -> None:
    suite = SCRIPTS / "deep_agents_suite.py"
    options = ["-q", "-rfE", "--tb=line", "-p", "no:cacheprovider", "-W", "ignore", "-o", "asyncio_mode=auto"]
    without = [word for plugin in ("codspeed", "benchmark", "recording") for word in ("-p", f"no:{plugin}")]
    place = ["--noconftest", "--rootdir", str(machine.home.root), "-c", "/dev/null"]
    told = run(machine, programs.deep_agents(), "-B", "-m", "pytest", *options, *without, *place, suite)
    assert sorted(FAILED.findall(told)) == sorted(PAGE_ENDS), told
    assert "83 passed" in told


@pytest.mark.time_limit(300)
def test_provider_of_computesdk_with_an_sdk_that_loses_the_host_header(
    machine: Host, need: Callable[[str], None]
) -> None:
    need("computesdk")
    node, module = programs.compute_sdk()
    told = run(machine, node, SCRIPTS / "computesdk.mjs", module)
    assert "failed:" not in told, told
    assert told.count("passed:") == 22, told
