"""Made-up requests by the OpenAPI document: every answer is as described, no mistake of the host's own comes out.

The document is narrowed before it is used: names that exist are among those that are tried, nothing is written outside
of the sandbox's directory, nothing runs for ever. Most of what is asked are all values at the limits of each parameter,
the same ones each time: a commit tries a quarter of the routes (tests/support/parts.py).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.host.openapi.document import NAMESPACED
from sbxcompose.host.routes.openapi import document_text
from tests.live.host.hosts import Box, LiveHost, ended, live_host
from tests.support.home import Home
from tests.support.installation import Unavailable
from tests.support.parts import PARTS, name_of, parts
from tests.support.programs import schemathesis

CHECKS = "content_type_conformance,response_schema_conformance,status_code_conformance,unsupported_method"
ALLOWED = {"SPAWN_FAILED", "USER", "IS_DIRECTORY"}
"""What the contract answers with 500: a command that cannot be spawned, an unknown user, deletion of a directory."""
EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "5")
SEED = "20261125"
TEXT = {"type": "string"}
WRITING = ("put_api_v1_files", "delete_api_v1_files", "delete_sandboxes_sandbox")
"""Tried with good values only: another one might be somebody's file, or the sandbox that the others are tried in."""
REQUIRED = "fuzzer" in os.environ.get("SBXCOMPOSE_REQUIRE_CLIENTS", "").replace(",", " ").split()
ENDLESS = ("post_api_v1_watch", "post_host_v1_stop")


@pytest.fixture(scope="session")
def fuzzer() -> Path:
    """The command; without it the tests are skipped, unless it is said to be required."""
    try:
        return schemathesis()
    except Unavailable as reason:
        if REQUIRED:
            pytest.fail(f"the fuzzer is required, and cannot be had: {reason}")
        pytest.skip(f"the fuzzer cannot be had: {reason}")


@pytest.fixture
def host(host_environ: Home) -> Iterator[LiveHost]:
    with live_host(host_environ, port=0, key="sesame") as own:
        yield own


@pytest.fixture
def box(host: LiveHost, short_dir: Path) -> Box:
    """A sandbox with processes that have ended, and some files. (A follow of one that runs would not end.)"""
    box = host.box(project_directory=str(short_dir))
    for name in ("web", "over"):
        box.shell("echo done", name, stop_grace_ms=100)
        box.wait(name, ended)
    (short_dir / "folder").mkdir()
    (short_dir / "file").write_bytes(os.urandom(1000))
    host.box("other")
    return box


def one_of(*words: str) -> dict[str, Any]:
    return {"anyOf": [{"enum": [*words]}, TEXT]}


def narrowed() -> dict[str, Any]:
    """The document, with values that get somewhere and do no harm, and each route by one of its paths.

    A path in a namespace and the flat one are one route of the host (tests/unit/host/test_openapi.py).
    """
    document: dict[str, Any] = json.loads(document_text())
    paths = document["paths"]
    document["paths"] = {
        path: paths[path] for path in paths if path.removeprefix(NAMESPACED) not in paths.keys() - {path}
    }
    schemas = document["components"]["schemas"]
    schemas["StartRequest"]["properties"]["command"] = {"enum": ["true", "no such command"]}
    schemas["RestartConfig"]["properties"]["policy"] = {"enum": ["never", "on_failure"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for parameter in operation["parameters"]:
                parameter["schema"] = narrowed_parameter(path, method, parameter)
    return document


def narrowed_parameter(path: str, method: str, parameter: dict[str, Any]) -> Any:
    match parameter["name"]:
        case "process":
            return one_of("web", "over")
        case "sandbox":
            return {"enum": ["other", "nobody"]} if method == "delete" else one_of("box")
        case "path" if method in ("put", "delete"):
            return {"enum": ["file", "folder", "new/file", "a b+c%ü", "file/below"]}
        case "path":
            return one_of("file", "folder", ".", "..", "/proc")
        case "status":
            return one_of("running")
    return parameter["schema"]


def operations_of(part: int) -> list[str]:
    """The operations of every fourth path, by name."""
    paths = narrowed()["paths"]
    return [paths[path][method]["operationId"] for path in sorted(paths)[part::PARTS] for method in paths[path]]


def fuzz(fuzzer: Path, box: Box, tmp_path: Path, operations: Iterable[str], mode: str) -> list[dict[str, Any]]:
    """Run the fuzzer with some of the operations; every request and its answer. Fails with what it has found."""
    told, record = tmp_path / f"{mode}.json", tmp_path / f"{mode}.har"
    told.write_text(json.dumps(narrowed()))
    options = {
        "--url": box.host.status["tcp"],
        "--phases": "coverage,fuzzing",
        "--mode": mode,
        "--checks": CHECKS,
        "--max-examples": EXAMPLES,
        "--seed": SEED,
        "--generation-database": "none",
        "--request-timeout": "120",
        "--suppress-health-check": "all",
        "--report": "har",
        "--report-har-path": str(record),
        "--warnings": "off",
    }
    headers = {"Authorization": "Bearer sesame", **box.headers}
    argv = [str(fuzzer), "run", str(told), "--continue-on-failure", "--no-color"]
    argv += [word for option in options.items() for word in option]
    argv += [word for name in operations for word in ("--include-operation-id", name)]
    argv += [word for header in headers.items() for word in ("-H", ": ".join(header))]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    entries: list[dict[str, Any]] = json.loads(record.read_text())["log"]["entries"]
    return entries


def body_of(entry: dict[str, Any]) -> bytes:
    content = entry["response"]["content"]
    text = content.get("text", "")
    return base64.b64decode(text) if content.get("encoding") == "base64" else text.encode()


@pytest.mark.time_limit(1500)
@pytest.mark.parametrize("part", parts(), ids=lambda part: f"part {name_of(part)}")
def test_answers_are_as_described_whatever_is_asked(fuzzer: Path, box: Box, tmp_path: Path, part: int) -> None:
    operations = operations_of(part)
    entries = fuzz(fuzzer, box, tmp_path, sorted(set(operations).difference(WRITING, ENDLESS)), "all")
    statuses = {entry["response"]["status"] for entry in entries}
    assert len(entries) > 100
    assert {200, 400, 404} <= statuses
    if writing := sorted(set(operations).intersection(WRITING)):
        entries += fuzz(fuzzer, box, tmp_path, writing, "positive")
    for entry in entries:
        status = entry["response"]["status"]
        if status >= 400 and entry["request"]["method"] != "HEAD":
            told = json.loads(body_of(entry))
            assert isinstance(told["error"], str), entry
            assert told["error"], entry
            assert status < 500 or told.get("code") in ALLOWED, entry
    assert box.row("over")["status"] == "exited"
    assert "Traceback" not in box.host.log
