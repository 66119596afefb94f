"""Client of the control plane: sandboxes are created, found, listed and terminated here (contract, section 2)."""

from __future__ import annotations

from typing import Any

from sbxcompose.api.answers import expect, segment
from sbxcompose.api.channel import Channel
from sbxcompose.api.models import CreateRequest, SandboxInfo
from sbxcompose.errors import NotFound

WAIT_MS = 30_000
"""Milliseconds that a suspend or resume may take to be answered (contract, section 2.1); then we ask how it stands."""


class Lifecycle:
    """A method an endpoint. Every method raises `Unreachable` or `Refused`."""

    def __init__(self, transport: Channel, path: str = "/v1/namespaces/default") -> None:
        self._transport = transport
        self._path = f"{path}/sandboxes"

    async def find(self, name: str) -> SandboxInfo | None:
        """The sandbox of that name or id; None if there is none."""
        try:
            return SandboxInfo.read(expect(await self._transport.request("GET", self._of(name)), f"sandbox {name}"))
        except NotFound:
            return None

    async def create(self, request: CreateRequest) -> str:
        """Create a sandbox and wait until it runs; its id. Raises `Conflict` if a live one has the name."""
        body = {key: value for key, value in request.write().items() if value is not None}
        answer = await self._transport.request("POST", self._path, body=body)
        return str(expect(answer, f"sandbox {request.name or ''}".rstrip())["sandbox_id"])

    async def sandboxes(self) -> list[SandboxInfo]:
        """All live sandboxes of the namespace, page by page."""
        found: list[SandboxInfo] = []
        cursor = ""
        while True:
            answer = await self._transport.request("GET", f"{self._path}?limit=100{cursor}")
            page: dict[str, Any] = expect(answer, "the list of sandboxes")
            found += [SandboxInfo.read(each) for each in page["sandboxes"]]
            if not page.get("next_cursor"):
                return found
            cursor = f"&cursor={segment(page['next_cursor'])}"

    async def probe(self) -> int:
        """The number of sandboxes on a page of one: the smallest question that needs a key."""
        answer = await self._transport.request("GET", f"{self._path}?limit=1")
        return len(expect(answer, "the list of sandboxes")["sandboxes"])

    async def terminate(self, name: str) -> None:
        """End the sandbox and everything in it. One that is gone already is fine."""
        answer = await self._transport.request("DELETE", self._of(name))
        if answer.status != 404:
            expect(answer, f"sandbox {name}")

    async def patch(self, name: str, changes: dict[str, Any]) -> None:
        """Change what can be changed of a sandbox as it is (contract, section 2.6)."""
        expect(await self._transport.request("PATCH", self._of(name), body=changes), f"sandbox {name}")

    async def suspend(self, name: str) -> bool:
        """Put the sandbox to sleep; False if that has only begun. Raises `Conflict` while it is in transition."""
        return await self._transition(name, "suspend")

    async def resume(self, name: str) -> bool:
        """Wake the sandbox; False if that has only begun. Raises `Conflict` while it is in transition."""
        return await self._transition(name, "resume")

    async def _transition(self, name: str, word: str) -> bool:
        path = f"{self._of(name)}/{word}?wait_ms={WAIT_MS}"
        answer = await self._transport.request("POST", path)
        if answer.status not in (200, 202):
            expect(answer, f"sandbox {name}")
        return answer.status == 200

    def _of(self, name: str) -> str:
        return f"{self._path}/{segment(name)}"
