"""Client of the control plane: sandboxes are created, found, changed, suspended, copied and ended here (contract,
section 2). Their snapshots are in `snapshots.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sbxcompose.api.http_client import HttpClient
from sbxcompose.api.sandbox_models import CreateRequest, PatchRequest, SandboxInfo, SandboxStatus, ShortInfo
from sbxcompose.api.wire import HttpRequest, segment
from sbxcompose.api.wire_errors import expect, is_pending, missing_field
from sbxcompose.errors import NotFound

WAIT_MS = 30_000
"""Milliseconds that a suspend or resume may take to be answered (contract, section 2.1); then we ask how it stands."""
PAGE = 100
"""Sandboxes that are asked for at a time."""


class Lifecycle:
    """A method an endpoint. Every method raises `Unreachable` or `Refused`.

    `root` is the path that stands before `/sandboxes`, where it is not that of the namespace (contract, section 1.2).
    """

    def __init__(self, transport: HttpClient, namespace: str = "default", *, root: str | None = None) -> None:
        self._transport = transport
        self._root = f"/v1/namespaces/{segment(namespace)}" if root is None else root
        self._path = f"{self._root}/sandboxes"

    async def find(self, name: str) -> SandboxInfo | None:
        """Return the sandbox of that name or id; None if there is none."""
        return await self._find(self._of(name), name)

    async def create(self, request: CreateRequest) -> str:
        """Create a sandbox and return its id. Raises as `make`."""
        return (await self.make(request)).sandbox_id

    async def make(self, request: CreateRequest) -> ShortInfo:
        """Create a sandbox; older servers answer before it runs. Raises `Conflict` if a live one has the name."""
        # As the vendor's clients do: what is as it is without being said is left out (contract, section 2.2).
        left_out = CreateRequest().write()
        body = {key: value for key, value in request.write().items() if value != left_out[key]}
        answer = await self._transport.request(HttpRequest("POST", self._path, body=body))
        what = f"sandbox {request.name or ''}".rstrip()
        if answer.status == 504 and is_pending(answer.body):
            return ShortInfo.read(answer.json())
        told = expect(answer, what)
        if not isinstance(told, dict) or not told.get("sandbox_id"):
            raise missing_field(what, "sandbox_id", answer.status)
        return ShortInfo.read(told)

    async def sandboxes(self, status: SandboxStatus | None = None) -> list[SandboxInfo]:
        """Return all sandboxes of the namespace, or those in one state, page by page."""
        return [item async for item in self._pages(self._path, f"&status={status}" if status else "")]

    async def update(self, name: str, patch: PatchRequest, *, clear_network: bool = False) -> SandboxInfo:
        """Change a sandbox: what is not None in `patch`. `clear_network` takes its network policy away.

        Raises `Conflict` if another one has the new name.
        """
        body = {key: value for key, value in patch.write().items() if value is not None}
        if clear_network:
            body["network"] = None
        answer = await self._transport.request(HttpRequest("PATCH", self._of(name), body=body))
        return SandboxInfo.read(expect(answer, f"sandbox {name}"))

    async def attach(self, name: str, mount: dict[str, Any]) -> SandboxInfo:
        """Mount a file system into a sandbox (contract, section 2.1)."""
        answer = await self._transport.request(HttpRequest("POST", f"{self._of(name)}/file_systems", body=mount))
        return SandboxInfo.read(expect(answer, f"sandbox {name}"))

    async def detach(self, name: str, mount_path: str) -> SandboxInfo:
        """Unmount the file system that is mounted there."""
        body = {"mount_path": mount_path}
        answer = await self._transport.request(HttpRequest("DELETE", f"{self._of(name)}/file_systems", body=body))
        return SandboxInfo.read(expect(answer, f"sandbox {name}"))

    async def probe(self) -> int:
        """Return the number of sandboxes on a page of one: the smallest question that needs a key."""
        answer = await self._transport.request(HttpRequest("GET", f"{self._path}?limit=1"))
        return len(expect(answer, "the list of sandboxes")["sandboxes"])

    async def terminate(self, name: str) -> None:
        """End the sandbox and everything in it. One that is gone already is fine."""
        answer = await self._transport.request(HttpRequest("DELETE", self._of(name)))
        if answer.status != 404:
            expect(answer, f"sandbox {name}")

    async def suspend(self, name: str) -> bool:
        """Put the sandbox to sleep; False if that has only begun. Raises `Conflict` while it is in transition."""
        return await self._transition(name, "suspend")

    async def resume(self, name: str) -> bool:
        """Wake the sandbox; False if that has only begun. Raises `Conflict` while it is in transition."""
        return await self._transition(name, "resume")

    async def copy(self, name: str, times: int = 1) -> list[ShortInfo]:
        """Make new sandboxes with the same contents. What could not be copied is among them, with status `failed`."""
        answer = await self._transport.request(HttpRequest("POST", f"{self._of(name)}/copy?times={times}"))
        # 422 and 504 carry the same body: some copies have failed, or still begin (contract, section 2.1).
        body = answer.json() if answer.status in (422, 504) else expect(answer, f"sandbox {name}")
        if not isinstance(body, dict) or "sandboxes" not in body:
            expect(answer, f"sandbox {name}")
        return [ShortInfo.read(item) for item in body["sandboxes"]]

    async def archived(self) -> list[SandboxInfo]:
        """Return the terminated sandboxes that are remembered."""
        return [item async for item in self._pages(f"{self._root}/archived-sandboxes", "")]

    async def find_archived(self, number: str) -> SandboxInfo | None:
        """Return the terminated sandbox of that id; None if none is remembered."""
        return await self._find(f"{self._root}/archived-sandboxes/{segment(number)}", number)

    async def _find(self, path: str, name: str) -> SandboxInfo | None:
        try:
            return SandboxInfo.read(expect(await self._transport.request(HttpRequest("GET", path)), f"sandbox {name}"))
        except NotFound:
            return None

    async def _pages(self, path: str, query: str) -> AsyncIterator[SandboxInfo]:
        cursor = ""
        while True:
            answer = await self._transport.request(HttpRequest("GET", f"{path}?limit={PAGE}{query}{cursor}"))
            page: dict[str, Any] = expect(answer, "the list of sandboxes")
            for item in page["sandboxes"]:
                yield SandboxInfo.read(item)
            if not page.get("next_cursor"):
                return
            cursor = f"&cursor={segment(page['next_cursor'])}"

    async def _transition(self, name: str, word: str) -> bool:
        path = f"{self._of(name)}/{word}?wait_ms={WAIT_MS}"
        answer = await self._transport.request(HttpRequest("POST", path))
        if answer.status not in (200, 202):
            expect(answer, f"sandbox {name}")
        return answer.status == 200

    def _of(self, name: str) -> str:
        return f"{self._path}/{segment(name)}"
