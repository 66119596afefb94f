"""Programs of others on the emulator: two suites of theirs, and a provider driven through all it offers.

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
from tests.support.parts import name_of, parts

PATIENCE = 280
"""Seconds for a suite: it takes some ten, and much longer on a loaded machine."""
PAGE_ENDS = (
    "test_aread_large_text_payload_paginated_roundtrip",
    "test_write_read_download_large_text_with_escaped_content",
    "test_awrite_aread_adownload_large_text_with_escaped_content",
)
"""The backend ends a page with a line break, the suite expects none: a difference of two packages, not of the wire."""
ADAPTER = (
    *("test_exec_simple_command", "test_exec_injects_shim_env", "test_write_read_roundtrip"),
    *("test_provisions_session_id", "test_reports_valid_security_mode", "test_exec_simple_command"),
    *("test_write_read_roundtrip", "test_signal_abuse_informational"),
)
POLICY = ("test_blocks_sudo", "test_blocks_unauthorized_network", "test_file_policy_workspace_vs_etc")
"""What agentsh forbids, which is in an image of theirs: here it depends on the machine (has it `sudo`, a network?)."""
DEEP_AGENTS_PART = 0
"""The quarter of the commits that tries its suite: six of its 14 s of CPU are imports, so that each has all or none."""
PASSED = re.compile(r"^PASSED .*::(\w+)", re.MULTILINE)
FAILED = re.compile(r"^(?:FAILED|ERROR) .*::(\w+)", re.MULTILINE)


@pytest.fixture(scope="module")
def machine() -> Iterator[Host]:
    """A host for programs of others: isolated sandboxes, and what such programs cannot do without.

    Skips the test where the machine does not permit isolation, with its reason.
    """
    with serving("--accept", "one-sandbox", "--accept", "images") as host:
        refused = host.http.get("/host/v1/isolation").raise_for_status().json()["refused"]
        if refused is not None:
            pytest.skip(refused)
        yield host


def run(host: Host, *argv: str | Path, directory: Path | None = None) -> str:
    """What a program writes, whatever its exit code."""
    done = subprocess.run(
        [str(part) for part in argv],
        env=host.environment,
        cwd=directory or host.home.root,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.time_limit(300)
def test_standard_suite_of_a_deep_agents_backend(machine: Host, need: Callable[[str], None]) -> None:
    if DEEP_AGENTS_PART not in parts():
        pytest.skip(f"every fourth commit tries it: TEST_PART={name_of(DEEP_AGENTS_PART)}")
    need("deepagents")
    suite = SCRIPTS / "deep_agents_suite.py"
    options = ["-q", "-rfE", "--tb=line", "-p", "no:cacheprovider", "-W", "ignore", "-o", "asyncio_mode=auto"]
    without = [word for plugin in ("codspeed", "benchmark", "recording") for word in ("-p", f"no:{plugin}")]
    place = ["--noconftest", "--rootdir", str(machine.home.root), "-c", "/dev/null"]
    told = run(machine, programs.deep_agents(), "-B", "-m", "pytest", *options, *without, *place, suite)
    assert sorted(FAILED.findall(told)) == sorted(PAGE_ENDS), told
    assert "83 passed" in told


@pytest.mark.time_limit(300)
def test_agentshs_own_suite_for_its_adapter(machine: Host, need: Callable[[str], None]) -> None:
    need("agentsh")
    python, source = programs.agentsh()
    options = ["-q", "-rpfE", "--tb=short", "-p", "no:cacheprovider", "-W", "ignore"]
    told = run(machine, python, "-B", "-m", "pytest", *options, "tests/e2e/test_tensorlake.py", directory=source)
    passed, failed = PASSED.findall(told), FAILED.findall(told)
    assert sorted(set(passed) - set(POLICY)) == sorted(set(ADAPTER)), told
    assert sorted(passed + failed) == sorted(ADAPTER + POLICY), told
    assert set(failed) <= set(POLICY), told


@pytest.mark.time_limit(300)
def test_provider_of_computesdk_with_an_sdk_that_loses_the_host_header(
    machine: Host, need: Callable[[str], None]
) -> None:
    need("computesdk")
    node, module = programs.compute_sdk()
    told = run(machine, node, SCRIPTS / "computesdk.mjs", module)
    assert "failed:" not in told, told
    assert told.count("passed:") == 22, told
