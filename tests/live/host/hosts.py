"""A whole host for a test: keeper and server, started as commands start them, asked over its Unix socket."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from sbxcompose.api.frames import Dropped, FrameDecoder, StateFrame
from sbxcompose.engine.local_host import launch
from tests.support.home import MARKER, Home
from tests.support.waiting import until

PATIENCE = 240.0
"""Seconds that one request, or one wait, may take: more than a test has, unless it asks for more."""

Row = dict[str, Any]
Answer = tuple[int, Any]
"""Status and body."""


def client_of(path: Path | None = None, *, tcp: str | None = None, key: str | None = None) -> httpx.Client:
    """A client for a host's Unix socket, or for its TCP address.

    There is no TLS on the way, and to read the certificates for it took 30 ms of CPU for each client.
    """
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    if tcp is not None:
        return httpx.Client(base_url=tcp, headers=headers, timeout=PATIENCE, trust_env=False, verify=False)
    transport = httpx.HTTPTransport(uds=str(path), limits=httpx.Limits(max_keepalive_connections=0), verify=False)
    return httpx.Client(transport=transport, base_url="http://localhost", headers=headers, timeout=PATIENCE)


class LiveHost:
    """A host that runs, and one sandbox in it (`box`) unless a test wants others."""

    def __init__(self, home: Home, path: Path) -> None:
        self.home = home
        self.path = path
        self.http = client_of(path)

    @property
    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        answer: dict[str, Any] = self.http.get("/host/v1/status").raise_for_status().json()
        return answer

    @property
    def log(self) -> str:
        """What it has to say."""
        return (self.home.runtime / "host.log").read_text()

    def box(self, name: str | None = "box", **fields: Any) -> Box:
        """A new sandbox."""
        body = {key: value for key, value in {"name": name, **fields}.items() if value is not None}
        answer = self.http.post("/sandboxes", json=body)
        assert answer.status_code == 200, answer.text
        return Box(self, answer.json()["sandbox_id"])

    def kill(self, which: str) -> int:
        """Kill -9 the `server` or the `keeper`; its process id, once it is gone."""
        pid: int = self.status["pid" if which == "server" else "keeper_pid"]
        descriptor = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGKILL)
            assert select.select([descriptor], [], [], PATIENCE)[0]
        finally:
            os.close(descriptor)
        if which == "keeper":
            until(lambda: self.status["keeper_pid"] != pid)  # both at once is another matter
        return pid

    def clear(self) -> None:
        """Delete all that tests have made in it."""
        for sandbox in self.http.get("/sandboxes").raise_for_status().json()["sandboxes"]:
            if sandbox["status"] != "terminated":
                self.http.delete(f"/sandboxes/{sandbox['id']}").raise_for_status()
        for snapshot in self.http.get("/snapshots").raise_for_status().json()["snapshots"]:
            self.http.delete(f"/snapshots/{snapshot['id']}")

    def close(self) -> None:
        """End it and all that runs in it."""
        self.http.close()
        launch.stop(force=True)


class Box:
    """One sandbox of a host."""

    def __init__(self, host: LiveHost, number: str) -> None:
        self.host = host
        self.id = number
        self.headers = {"X-Tensorlake-Sandbox-Id": number}

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request to the sandbox's daemon."""
        return self.host.http.request(method, f"/api/v1{path}", headers=self.headers, **more)

    def begin(self, command: str, *args: str, **fields: Any) -> Row:
        """Start a process; its row."""
        answer = self.ask("POST", "/processes", json=self.start_body(command, *args, **fields))
        assert answer.status_code == 201, answer.text
        row: Row = answer.json()
        return row

    def shell(self, script: str, name: str | None = None, **fields: Any) -> Row:
        """Start a shell script."""
        return self.begin("sh", "-c", script, **({"name": name} if name else {}), **fields)

    def start_body(self, command: str, *args: str, **fields: Any) -> dict[str, Any]:
        """A start request that leaves the test's marker in the process's environment."""
        env = {"PATH": os.environ["PATH"], MARKER: self.host.home.marker, **fields.pop("env", {})}
        return {"command": command, "args": list(args), "env": env, **fields}

    @property
    def python(self) -> str:
        """A Python that its processes can run: that of the tests may be in a home, which no isolated sandbox has."""
        info = self.host.http.get(f"/sandboxes/{self.id}").raise_for_status().json()
        return sys.executable if info["isolation"] == "none" else "python3"

    def refused(self, method: str, path: str, **more: Any) -> tuple[int, str | None, str]:
        """Status, code and sentence of a request that is not fulfilled."""
        answer = self.ask(method, path, **more)
        assert answer.status_code >= 400, answer.text
        body = answer.json()
        return answer.status_code, body.get("code"), body["error"]

    def rows(self) -> list[Row]:
        """The process list."""
        rows: list[Row] = self.ask("GET", "/processes").raise_for_status().json()["processes"]
        return rows

    def row(self, process: str | int) -> Row:
        """One row of it."""
        row: Row = self.ask("GET", f"/processes/{process}").raise_for_status().json()
        return row

    def lines(self, process: str | int, which: str = "output") -> list[str]:
        """What a process has written."""
        answer = self.ask("GET", f"/processes/{process}/{which}").raise_for_status().json()
        lines: list[str] = answer["lines"]
        assert answer["line_count"] == len(lines)
        return lines

    def delete(self, process: str | int, **query: int) -> None:
        """Stop a process, and wait until it is gone."""
        answer = self.ask("DELETE", f"/processes/{process}", params=query)
        assert answer.status_code == 204, answer.text

    def states(self) -> Iterator[Row]:
        """The rows as they are, then each as it changes."""
        body = {"states": True, "follow": True}
        decoder = FrameDecoder(refs=False)
        with self.host.http.stream("POST", "/api/v1/watch", headers=self.headers, json=body) as answer:
            for piece in answer.iter_bytes():
                for frame in decoder.feed(piece):
                    if isinstance(frame, StateFrame):
                        yield dict(frame.info)
                    elif isinstance(frame, Dropped):
                        yield {"dropped": frame.handle}

    def wait(self, process: str | int, until: Callable[[Row], bool]) -> Row:
        """Wait until the row of a name or pid is as wished; over a server's death, too."""
        while True:
            with suppress(httpx.TransportError):
                for row in self.states():
                    if process in (row.get("pid"), (row.get("managed") or {}).get("name")) and until(row):
                        return row

    def first_lines(self, process: str | int, count: int, which: str = "output") -> list[str]:
        """Wait until a process has written so many lines; the lines."""
        path = f"/api/v1/processes/{process}/{which}/follow"
        lines: list[str] = []
        with self.host.http.stream("GET", path, headers=self.headers) as answer:
            for event in events(answer):
                if "line" in event:
                    lines.append(event["line"])
                if len(lines) == count:
                    return lines
        raise AssertionError(f"{process} ended with {lines}")

    def wait_for_line(self, process: str | int, text: str, which: str = "output") -> None:
        """Wait until a process has written a line."""
        path = f"/api/v1/processes/{process}/{which}/follow"
        with self.host.http.stream("GET", path, headers=self.headers) as answer:
            for event in events(answer):
                if event.get("line") == text:
                    return
        raise AssertionError(f"{process} ended without writing {text!r}")


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The data of server-sent events, as they come."""
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


def ended(row: Row) -> bool:
    """For `Box.wait`: its latest run has ended."""
    return bool(row["status"] != "running")


def stopped(row: Row) -> bool:
    """For `Box.wait`: its supervisor has stopped."""
    return bool(row["managed"]["status"] == "stopped")


def running(row: Row) -> bool:
    """For `Box.wait`: it runs."""
    return bool(row["managed"]["status"] == "running")


@contextmanager
def live_host(home: Home, environ: Mapping[str, str] | None = None, **options: Any) -> Iterator[LiveHost]:
    """A host of one's own. The home's variables must be set in this process (fixture `host_environ`)."""
    with variables_of(environ or {}):
        host = LiveHost(home, launch.ensure_host(**options))
    try:
        yield host
    finally:
        host.close()


@contextmanager
def lasting_host(environ: Mapping[str, str] | None = None, **options: Any) -> Iterator[LiveHost]:
    """A host for several tests, in a home of its own, whose variables are set while it is started and stopped."""
    with Home.temporary() as home:
        with variables_of({**home.variables, **(environ or {})}):
            host = LiveHost(home, launch.ensure_host(**options))
        try:
            yield host
        finally:
            with variables_of(home.variables):
                host.close()


@contextmanager
def variables_of(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables in this process for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def in_time(home: Home, work: Callable[[LiveHost, float], None]) -> None:
    """Do `work` with a host that ends once it has been idle for so many seconds.

    Where it ends before the next request of `work` is there, as this machine is busy, it is done anew with more.
    """
    for seconds in (0.3, 3.0, 30.0):
        with suppress(httpx.TransportError), live_host(home, {"SBXCOMPOSE_HOST_IDLE": str(seconds)}) as host:
            return work(host, seconds)
    raise AssertionError("the host ends although requests come")


def batch(box: Box, *operations: dict[str, Any], env: dict[str, str] | None = None) -> list[Answer]:
    """Status and body of each operation, in the order in which they were asked for."""
    answer = box.ask("POST", "/batch", json={"env": env or {}, "operations": list(operations)})
    assert answer.status_code == 200, answer.text
    results = [json.loads(line) for line in answer.text.splitlines()]
    assert sorted(result["index"] for result in results) == list(range(len(operations)))
    return [(result["status"], result["body"]) for result in sorted(results, key=lambda item: int(item["index"]))]
