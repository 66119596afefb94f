"""A control plane and a daemon in memory, as far as the contract goes: what a client asks for, without any socket.

It stands in for `CloudChannel`. Its faults are those of the contract: names that are resolved late, or not at all, and
daemons that lack parts.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

from sbxcompose.api.wire import Answer, HttpRequest
from sbxcompose.errors import Unreachable

URL = "http://127.0.0.1:1"
ROOT = "/v1/namespaces/default/sandboxes"


class FakeCloud:
    """`log` has every request as `METHOD path`."""

    local = False

    def __init__(self) -> None:
        self.log: list[str] = []
        self.sandboxes: dict[str, dict[str, Any]] = {}
        """By id, terminated ones too."""
        self.late = 0
        """How many more looks by the name of a terminated sandbox are answered as if it still ran."""
        self.taken = 0
        """How many more creates with the name of a terminated sandbox are refused."""
        self.unseen = 0
        """How many more looks at a sandbox that has just been made find nothing."""
        self.unlisted = 0
        """How many more looks by the name of a sandbox that has just been made find nothing."""
        self.losing = 0
        """How many more creates are carried out and not answered."""
        self.hold: asyncio.Event | None = None
        """If set: a create is answered once this is set."""
        self.pending: list[str] = []
        """Reasons for which a sandbox that is made is pending, one for each look."""
        self.name_of: dict[str, str | None] = {}
        """What sandboxes are called instead of the name that was asked for."""
        self.short: dict[str, Any] = {}
        """What a create answers besides the id and the state."""
        self.managed = True
        self.runs = True
        self.busy = 0
        """How many more commands are answered with 503."""
        self.resizes: list[str] = []
        """How a change of resources stands, one for each look; without any they cannot be changed."""
        self.rows: list[dict[str, Any]] = []
        """The processes of every sandbox."""
        self.started: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        """The bodies of creates."""
        self.patched: list[dict[str, Any]] = []
        self.killed: list[str] = []
        self.ran: list[dict[str, Any]] = []

    @property
    def running(self) -> list[str]:
        """The ids of what costs money."""
        return [number for number, info in self.sandboxes.items() if info["status"] != "terminated"]

    async def request(self, request: HttpRequest) -> Answer:
        async with self.stream(request) as reply:
            return Answer(reply.status, await reply.read())

    @asynccontextmanager
    async def stream(self, request: HttpRequest) -> AsyncIterator[FakeReply]:
        method, path, body = request.method, request.path, request.body
        self.log.append(f"{method} {path}")
        if path.startswith("/api/v1"):
            yield self._daemon(method, path.removeprefix("/api/v1"), body)
            return
        answer = self._control(method, path.removeprefix(ROOT).strip("/"), body)
        if method == "POST" and path == ROOT and self.hold is not None:
            await self.hold.wait()
        if method == "POST" and path == ROOT and self.losing:
            self.losing -= 1
            raise Unreachable("the connection broke")
        yield answer

    async def close(self) -> None:
        pass

    def _control(self, method: str, rest: str, body: Any) -> FakeReply:
        if method == "POST" and not rest:
            return self._create(body)
        found = self._find(unquote(rest.partition("/")[0]))
        if found is None:
            return FakeReply(404, {"error": "not found"})
        if rest.endswith("/file_systems"):
            return self._mount(method, found, body)
        if method == "DELETE":
            found["status"] = "terminated"
            return FakeReply(200, {})
        if method == "GET" and found["status"] == "pending":
            if self.pending:
                return FakeReply(200, {**found, "pending_reason": self.pending.pop(0)})
            found["status"] = "running"
        if method == "PATCH" and "resources" in body:
            self.patched.append(body)
            if not self.resizes:
                return FakeReply(405, "")
            found["resize"] = {"generation": 1, "requested": body["resources"], "error_message": "no room"}
        elif method == "PATCH":
            self.patched.append(body)
            found.update(body)
        if "resize" in found and self.resizes:
            return FakeReply(202, {**found, "resource_resize": {**found["resize"], "status": self.resizes.pop(0)}})
        return FakeReply(200, found)

    def _mount(self, method: str, found: dict[str, Any], body: Any) -> FakeReply:
        mounts = [mount for mount in found.get("file_systems", []) if mount["mount_path"] != body["mount_path"]]
        found["file_systems"] = [*mounts, body] if method == "POST" else mounts
        return FakeReply(200, found)

    def _create(self, body: Any) -> FakeReply:
        self.asked.append(body)
        name = self.name_of.get(body["name"], body["name"])
        if any(info["name"] == name and info["status"] != "terminated" for info in self.sandboxes.values()):
            return FakeReply(409, {"error": "the name is in use"})
        if self.taken and any(info["name"] == name for info in self.sandboxes.values()):
            self.taken -= 1
            return FakeReply(409, {"error": "the name is in use"})
        number = f"id{len(self.sandboxes) + 1}"
        status = "pending" if self.pending else "running"
        self.sandboxes[number] = {"id": number, "name": name, "status": status, "sandbox_url": URL}
        return FakeReply(200, {"sandbox_id": number, "status": status, **self.short})

    def _find(self, reference: str) -> dict[str, Any] | None:
        if reference in self.sandboxes:
            if self.unseen:
                self.unseen -= 1
                return None
            return self.sandboxes[reference]
        named = [info for info in self.sandboxes.values() if info["name"] == reference]
        ended = [info for info in named if info["status"] == "terminated"]
        if self.unlisted and len(named) > len(ended):
            self.unlisted -= 1
            return None
        if ended and self.late:
            self.late -= 1
            return {**ended[-1], "status": "running"}
        return next((info for info in named if info["status"] != "terminated"), None)

    def _daemon(self, method: str, path: str, body: Any) -> FakeReply:
        if path == "/info":
            return FakeReply(200, {"version": "0.1.9", "uptime_secs": 1, "running_processes": 0, "total_processes": 0})
        if method == "GET" and path == "/processes":
            return FakeReply(200, {"processes": self.rows})
        if path == "/processes/run":
            return self._run(body)
        if method == "POST" and path == "/processes":
            self.started.append(body)
            name = body.get("name")
            restart = body.get("restart") or {}
            managed = {"id": name, "name": name, "status": "stopped", "restart_count": 0, "restart": restart}
            row = {"pid": 7, "status": "running", "command": body["command"], "started_at": 1795000000000}
            return FakeReply(201, {**row, "managed": managed} if self.managed else row)
        if method == "DELETE":
            self.killed.append(path)
            return FakeReply(500, {"error": "not running"})
        return FakeReply(404, {"error": "not found", "code": "NOT_FOUND"})

    def _run(self, body: Any) -> FakeReply:
        if not self.runs:
            return FakeReply(405, {"error": "method not allowed"})
        if self.busy:
            self.busy -= 1
            return FakeReply(429, {"error": "slow down"})
        self.ran.append(body)
        return FakeReply(200, 'data: {"pid":5,"started_at":1795000000000}\n\ndata: {"exit_code":0}\n\n')


class FakeReply:
    """See `Reply`."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self._body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self._media = "text/event-stream" if isinstance(body, str) else "application/json"

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self) -> bytes:
        return self._body

    def header(self, name: str) -> str | None:
        return self._media if name == "content-type" else None
