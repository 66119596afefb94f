"""A cloud as far as the contract goes: our host, with everything taken away that the contract does not have.

`workspace` is the directory that its sandboxes have at /workspace, `env` what is in their environment. Without
`managed` its daemons are of the kind that knows no supervision (contract, section 9).

It listens on 127.0.0.1, asks for a key, and passes requests on to a host's Unix socket. What our host adds to answers
is taken out, what it would understand in requests is, too, and its extensions are not there. Connections can be cut.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h11

from sbxcompose.api.connection import OCTETS
from sbxcompose.api.transport import HostAddress, ResponseStream, Transport
from sbxcompose.api.wire import HttpRequest
from sbxcompose.errors import Unreachable
from tests.live.host.hosts import client_of
from tests.support.plain_socket import pass_socket, wants_socket
from tests.support.serving import Connections, LoopThread, in_thread

LIMIT = 120.0
"""Seconds that a test waits for a request."""
KEY = "a-key-for-tests-0123456789"
_OURS = {
    "extensions",
    "project_directory",
    "workspace_directory",
    "run",
    "log",
    "stop_requested",
    "replaced",
    "last_check",
    "failed_runs",
    "left_behind",
    "output_blocked",
    "stop_signal",
    "stop_grace_ms",
    "stop_command",
    "failed_starts",
    "live_processes",
    "project",
}
_OURS_IN_REQUESTS = {
    *("log", "stop_signal", "stop_grace_ms", "stop_command", "tty", "success_exit_codes"),
    *("project_directory", "project", "end_unwatched", "beside"),
}


class PlainCloud:
    """See the module. `address` is what TENSORLAKE_API_URL is set to."""

    def __init__(
        self, target: Path, *, workspace: Path | None = None, env: Mapping[str, str] | None = None, managed: bool = True
    ) -> None:
        self._target = target
        self.tls: ssl.SSLContext | None = None
        """Set before it serves: then it speaks https."""
        self.workspace = workspace
        self.env = dict(env or {})
        self.managed = managed
        self.requests: list[str] = []
        self.refuse: dict[str, tuple[int, dict[str, str], bytes]] = {}
        """Patterns of `METHOD path` -> an answer that is given instead: status, headers, body."""
        self.lose: str | None = None
        """A pattern: the answer to the next request that matches is not passed on, the connection breaks instead."""
        self.hold: str | None = None
        """A pattern: requests that match are not carried out, nor answered, before `release`."""
        self.hold_answer: str | None = None
        """A pattern: requests that match are carried out, and answered after `release`."""
        self._held = threading.Semaphore(0)
        self._released: asyncio.Event
        self._started: set[str] = set()
        """The names of processes that were started."""
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        """The JSON objects that were sent, each with its `METHOD path`."""
        self.largest: int | None = None
        """Bytes of a body above which a request is refused with 413, and the connection closed without reading it."""
        self.created: list[dict[str, Any]] = []
        """The bodies of the requests to create sandboxes."""
        self.pending: list[str] = []
        """Reasons for which a sandbox that is looked at is said to be pending, one for each look by its id."""
        self.sandbox_url: str | None = None
        """Where sandboxes are said to be, instead of here."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread: LoopThread
        self._port = 0

    @property
    def address(self) -> str:
        return f"https://localhost:{self._port}" if self.tls is not None else f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        return {"TENSORLAKE_API_URL": self.address, "TENSORLAKE_API_KEY": KEY}

    def status(self, name: str) -> str:
        """How a sandbox is, by the host's own words; asking does not wake it."""
        with client_of(self._target) as host:
            return str(host.get(f"/sandboxes/{name}").raise_for_status().json()["status"])

    @contextmanager
    def serving(self) -> Iterator[PlainCloud]:
        """Serve in a thread of its own."""
        self._released = asyncio.Event()
        connections = Connections(self._connection, tls=self.tls)
        with in_thread(connections.listening()) as self._thread:
            self._port = connections.port
            yield self

    def cut(self) -> None:
        """Break every connection, whatever is on its way."""

        def abort() -> None:
            for writer in self._writers:
                writer.transport.abort()

        self._thread.call_and_wait(abort)

    def wait_for_held(self) -> None:
        """Wait until one more request, or answer, is held back."""
        assert self._held.acquire(timeout=LIMIT), "nothing was held back"

    def release(self) -> None:
        """Let all go on that is held back."""
        self.hold = self.hold_answer = None

        def renew() -> None:
            self._released.set()
            self._released = asyncio.Event()

        self._thread.call(renew)

    async def _hold(self, pattern: str | None, said: str, writer: asyncio.StreamWriter) -> None:
        if pattern is not None and re.search(pattern, said):
            released = self._released
            self._held.release()
            await released.wait()
            if writer.is_closing():
                raise EOFError

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        upstream = Transport(HostAddress(path=str(self._target)))
        try:
            with suppress(OSError, EOFError, Unreachable, h11.RemoteProtocolError):
                await self._requests(reader, writer, upstream)
        finally:
            upstream.close()
            self._writers.discard(writer)
            writer.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Transport) -> None:
        protocol = h11.Connection(h11.SERVER)
        while True:
            request, body = await self._read_request(protocol, reader)
            if body is None:
                self.requests.append(f"{request.method.decode()} {request.target.decode()} 413")
                await _send(protocol, writer, 413, {"connection": "close"}, b"length limit exceeded")
                return
            instead = self._instead(request)
            if instead is not None:
                await _send(protocol, writer, *instead)
            elif wants_socket(request):
                await pass_socket(self._target, _sandbox_of(request) or "", request, reader, writer)
                return
            else:
                await self._answer(protocol, writer, upstream, request, body)
            protocol.start_next_cycle()

    async def _read_request(
        self, protocol: h11.Connection, reader: asyncio.StreamReader
    ) -> tuple[h11.Request, bytes | None]:
        """Return a request and its body; None for a body that is too large and was not read."""
        request, body = None, b""
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                protocol.receive_data(await reader.read(1 << 16))
            elif isinstance(event, h11.Request):
                request = event
                if self.largest is not None and int(_header(request, "content-length") or 0) > self.largest:
                    return request, None
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return request, body
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError

    def _instead(self, request: h11.Request) -> tuple[int, dict[str, str], bytes] | None:
        """What is answered without asking the host."""
        said = f"{request.method.decode()} {request.target.decode()}"
        self.requests.append(said)
        if _header(request, "authorization") != f"Bearer {KEY}":
            return 401, {}, b'{"error":"the key is unknown"}'
        if re.search(r"/api/v1/(batch|watch)|/host/v1/", said):
            return 404, {}, b'{"error":"not found","code":"NOT_FOUND"}'
        return next((item for pattern, item in self.refuse.items() if re.search(pattern, said)), None)

    async def _answer(
        self,
        protocol: h11.Connection,
        writer: asyncio.StreamWriter,
        upstream: Transport,
        request: h11.Request,
        body: bytes,
    ) -> None:
        method, path = request.method.decode(), request.target.decode()
        label = _sandbox_of(request)
        more = {"X-Tensorlake-Sandbox-Id": label} if label is not None else {}
        path = re.sub(r"[?&](signal|grace_ms)=\d+", "", path)
        if body[:1] == b"{" and "/files" not in path:
            self.bodies.append((f"{method} {path}", json.loads(body)))
        await self._hold(self.hold, f"{method} {path}", writer)
        doomed = self.lose is not None and re.search(self.lose, f"{method} {path}")
        async with upstream.stream(HttpRequest(method, path, more, self._asked(path, body))) as answer:
            if doomed:
                self.lose = None
                raise EOFError
            await self._hold(self.hold_answer, f"{method} {path}", writer)
            if answer.header("content-type") == "text/event-stream":
                await _pass_on(protocol, writer, answer)
            else:
                kind = answer.header("content-type") or "application/json"
                told = await answer.read() if kind == OCTETS else self._told(await answer.read())
                await _send(protocol, writer, answer.status, {"content-type": kind}, told)

    def _asked(self, path: str, body: bytes) -> bytes:
        """A request without what only our host understands."""
        if not body or "/stdin" in path or "/files" in path:
            return body
        value = {key: item for key, item in json.loads(body).items() if key not in _OURS_IN_REQUESTS}
        directory = value.get("working_dir") or ""
        if path.endswith("/sandboxes"):
            self.created.append(value)
            value = {**value, "isolation": "none"}  # the tests read and write what its sandboxes see
        if self.workspace is not None and directory.startswith("/workspace"):
            value["working_dir"] = str(self.workspace) + directory.removeprefix("/workspace")
        if "command" in value:
            if self.workspace is not None:
                here = str(self.workspace)
                value["args"] = [here if argument == "/workspace" else argument for argument in value.get("args", ())]
            value["env"] = {**self.env, **value.get("env", {})}
        if path.endswith("/processes") and "name" in value:
            # That an instance has one live run is our host's own rule; the contract's names are free (section 3.4).
            value["replaces"] = sorted(self._started - {value["name"]})
            self._started.add(value["name"])
        if not self.managed and path.endswith("/processes"):
            value = {key: item for key, item in value.items() if key not in ("name", "restart", "health_check")}
        return json.dumps(value).encode()

    def _told(self, body: bytes) -> bytes:
        """An answer without what only our host says."""
        return json.dumps(self._plain(json.loads(body))).encode() if body else body

    def _plain(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {key: self._plain(item) for key, item in value.items() if key not in _OURS}
        here = self.sandbox_url or self.address
        if self.pending and kept.get("status") == "running" and "resources" in kept:
            return {**kept, "status": "pending", "pending_reason": self.pending.pop(0)}
        return {**kept, "sandbox_url": here} if kept.get("status") == "running" else kept


def _header(request: h11.Request, name: str) -> str:
    return next((value.decode() for key, value in request.headers if key == name.encode()), "")


def _sandbox_of(request: h11.Request) -> str | None:
    """The sandbox that the first label of Host names; None where it names none."""
    host = _header(request, "host")
    return host.removesuffix(".local") if host.endswith(".local") else None


async def _send(
    protocol: h11.Connection, writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: bytes
) -> None:
    fields = [*headers.items(), ("content-length", str(len(body)))]
    if status == 204:
        fields, body = [], b""
    out = protocol.send(h11.Response(status_code=status, headers=fields)) or b""
    out += protocol.send(h11.Data(data=body)) or b""
    writer.write(out + (protocol.send(h11.EndOfMessage()) or b""))
    await writer.drain()


async def _pass_on(protocol: h11.Connection, writer: asyncio.StreamWriter, answer: ResponseStream) -> None:
    headers = [("content-type", "text/event-stream"), ("transfer-encoding", "chunked")]
    writer.write(protocol.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
    async for chunk in answer.chunks():
        writer.write(protocol.send(h11.Data(data=chunk)) or b"")
        await writer.drain()
    writer.write(protocol.send(h11.EndOfMessage()) or b"")
    await writer.drain()
