"""Client of a sandbox's terminal sessions and tunnels (contract, sections 5 and 6)."""

from __future__ import annotations

from msgspec import Struct

from sbxcompose.api import terminal_list
from sbxcompose.api.models import Env
from sbxcompose.api.pty import MAX_FRAME, PtyInfo, PtyRequest
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.websocket_connect import Socket


class PtySession(Struct, frozen=True):
    """What it takes to connect with a session; the token is told only once."""

    session_id: str
    token: str


class TerminalsClient:
    """A method an endpoint. Every method raises `Unreachable` or `Refused`."""

    def __init__(self, client: SandboxClient) -> None:
        self._client = client

    async def create(self, request: PtyRequest, base_env: Env | None = None) -> PtySession:
        """Start a command on a terminal; `base_env` lies under its own `env`."""
        body = {name: value for name, value in request.write().items() if value is not None}
        body["env"] = {**(base_env or {}), **request.env}
        if "pty" not in self._client.extensions:
            body.pop("end_unwatched")  # fields of the extension
            body.pop("beside", None)
        answer = await self._client.ask("POST", "/pty", request.command, body)
        return PtySession(answer["session_id"], answer["token"])

    async def sessions(self) -> list[PtyInfo]:
        """Return all sessions, those that have ended a moment ago included."""
        return await terminal_list.sessions(self._client)

    async def get(self, session: str) -> PtyInfo:
        """Return a session, also one that has ended a moment ago."""
        return PtyInfo.read(await self._client.ask("GET", f"/pty/{session}", "the terminal session"))

    async def delete(self, session: str) -> None:
        """End a session, by a hang-up; returns when it is gone. One that is gone already is fine."""
        await terminal_list.hang_up(self._client, session)

    async def connect(self, session: PtySession, since: int | None = None) -> Socket:
        """Open a socket to a session; a daemon with the extension `pty` sends no output before the position `since`.

        Older daemons take the token from the URL alone, as the vendor's clients send it, too (contract, section 5).
        Our own host gets it in the header only: URLs end up in the logs of proxies.
        """
        query = "" if since is None else f"?since={since}"
        if "pty" not in self._client.extensions:
            query = f"?token={session.token}"
        headers = {"X-PTY-Token": session.token}
        socket = await self._client.socket(f"/pty/{session.session_id}/ws{query}", headers=headers)
        socket.limit = MAX_FRAME
        return socket


async def open_tunnel(client: SandboxClient, port: int) -> Socket:
    """Open a connection to a port inside the sandbox. Raises `Refused` (502) when nothing listens there."""
    return await client.socket(f"/tunnels/tcp?port={port}")
