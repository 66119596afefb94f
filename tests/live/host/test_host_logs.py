"""Persisted logs over HTTP (contract, section 2.8): of live and of terminated sandboxes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.live.host.hosts import Box, LiveHost, ended

Page = dict[str, Any]


def ask(box: Box, what: str, **query: Any) -> Page:
    path = f"/v1/namespaces/default/sandboxes/{box.id}/{what}"
    page: Page = box.host.http.get(path, params=query).raise_for_status().json()
    return page


@pytest.fixture
def web(box: Box) -> int:
    """The PID of a managed process that has written, and ended; another one runs beside it."""
    box.shell("echo up; exec sleep 1000", "idle")
    row = box.shell("for i in 1 2 3; do echo out $i; echo err $i >&2; done", "web", log="web.1", restart={})
    box.wait("web", ended)
    pid: int = row["pid"]
    return pid


def bodies(page: Page) -> list[str]:
    return [log["body"] for log in page["logs"]]


def test_a_line_with_all_that_is_known_of_it(box: Box, web: int) -> None:
    page = ask(box, "logs", processId="web.1", head=1, level=5)
    (line,) = page["logs"]
    assert UUID(line.pop("uuid")).version == 5
    assert line.pop("timestamp") > 1_700_000_000_000
    assert line == {
        "namespace": "default",
        "application": "",
        "sandboxId": box.id,
        "resourceAttributes": [
            ["process.id", "web.1"],
            ["process.pid", str(web)],
            ["process.run", "1"],
            ["log.iostream", "stderr"],
        ],
        "logAttributes": "{}",
        "body": "err 1",
        "allocations": [],
        "functionRuns": [],
        "level": 5,
        "retention": None,
    }


def test_filters_and_pages(box: Box, web: int) -> None:
    assert bodies(ask(box, "logs", processId="web.1", level=3)) == ["out 1", "out 2", "out 3"]
    assert sorted(bodies(ask(box, "logs", body="T 2"))) == ["out 2"]
    assert bodies(ask(box, "logs", processId="web.1", level=[3, 5], tail=1)) in (["out 3"], ["err 3"])
    assert len(bodies(ask(box, "logs", processId=["web.1", "@1"]))) == 7
    assert bodies(ask(box, "logs", level=1)) == []
    found: list[str] = []
    page = ask(box, "logs", head=2)
    while page["nextToken"] is not None:
        found += [log["uuid"] for log in page["logs"]]
        page = ask(box, "logs", head=2, nextToken=page["nextToken"])
    assert len(found) == len(set(found)) == 7
    assert found == [log["uuid"] for log in ask(box, "logs")["logs"]]


@pytest.mark.parametrize("query", ["level=0", "level=info", "head=0", "tail=x", "head=1&tail=1", "nextToken=x"])
def test_bad_queries(box: Box, query: str) -> None:
    answer = box.host.http.get(f"/v1/namespaces/default/sandboxes/{box.id}/logs?{query}")
    assert (answer.status_code, answer.json()["code"]) in [(400, "BAD_QUERY"), (400, "BAD_TOKEN")]


def test_the_streams(box: Box, web: int) -> None:
    idle, own = ask(box, "processes")["processes"]
    assert idle["processCommand"].startswith("sh -c echo up")
    assert (idle["processManagedName"], idle["logCount"]) == ("idle", 1)
    assert own["firstSeen"] <= own.pop("lastSeen")
    assert own.pop("firstSeen") > 1_700_000_000_000
    assert own.pop("processCommand").startswith("sh -c for i")
    assert own == {
        "processId": "web.1",
        "processPid": str(web),
        "processManagedId": "web",
        "processManagedName": "web",
        "logCount": 6,
    }


def test_of_a_terminated_sandbox_and_after_the_servers_death(host: LiveHost, box: Box, web: int) -> None:
    before = ask(box, "logs"), ask(box, "processes")
    host.kill("server")
    assert (ask(box, "logs"), ask(box, "processes")) == before
    assert host.http.delete(f"/sandboxes/{box.id}").status_code == 200
    assert (ask(box, "logs"), ask(box, "processes")) == before
    host.kill("server")
    assert ask(box, "logs") == before[0]
    unknown = host.http.get("/v1/namespaces/default/sandboxes/nobody/logs")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "SANDBOX_NOT_FOUND")
    assert "Traceback" not in host.log
