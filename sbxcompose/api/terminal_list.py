"""The terminal sessions of a sandbox, for who only looks at them and ends them: no socket is imported for that."""

from __future__ import annotations

from urllib.parse import quote

from sbxcompose.api.pty import PtyInfo
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.errors import NotFound

_WHAT = "the terminal session"


async def sessions(client: SandboxClient) -> list[PtyInfo]:
    """Return all sessions, those that have ended a moment ago included."""
    answer = await client.ask("GET", "/pty", "the list of terminal sessions")
    return [PtyInfo.read(session) for session in answer["sessions"]]


async def hang_up(client: SandboxClient, session: str, reason: str | None = None) -> None:
    """End a session, by a hang-up; returns when it is gone. One that is gone already is fine.

    `reason` is told to who is connected with it, where the daemon has the extension `pty`.
    """
    query = f"?reason={quote(reason)}" if reason is not None and "pty" in client.extensions else ""
    try:
        await client.ask("DELETE", f"/pty/{session}{query}", _WHAT)
    except NotFound:
        return
