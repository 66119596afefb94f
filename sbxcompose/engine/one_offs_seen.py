"""What `run` and `exec` have started and still runs: seen in full, terminal sessions included, and ended for `down`."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from sbxcompose.api import terminal_list
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.engine.requests import log_instance
from sbxcompose.engine.sandbox_connection import SandboxConnection
from sbxcompose.plan.observed import Foreign, Observed, ObservedSandbox
from sbxcompose.plan.steps import StopOneOff
from sbxcompose.tasks import gather_all

REASON = "the project was taken down"
"""What the command is told that waits for the end of what is stopped."""


async def with_terminals(observed: Observed, connections: Mapping[str, SandboxConnection]) -> Observed:
    """Return the same with the commands that run on terminals; only our own host tells whose they are."""

    async def seen(sandbox: ObservedSandbox) -> ObservedSandbox:
        connection = connections.get(sandbox.name)
        if connection is None or "pty" not in connection.client.extensions:
            return sandbox
        found = await _on_terminals(sandbox.name, connection.client)
        return replace(sandbox, foreign=(*sandbox.foreign, *found)) if found else sandbox

    sandboxes = await gather_all(*(seen(sandbox) for sandbox in observed.sandboxes))
    return replace(observed, sandboxes=tuple(sandboxes))


async def _on_terminals(sandbox: str, client: SandboxClient) -> list[Foreign]:
    found = []
    for session in await terminal_list.sessions(client):
        beside = log_instance(sandbox, session.beside) if session.beside is not None else None
        if session.is_alive and beside is not None:
            command = (session.command, *session.args)
            found.append(Foreign(sandbox, session.pid, None, command, True, beside, True, session.session_id))
    return found


async def stop(client: SandboxClient, action: StopOneOff) -> None:
    """End the command, and all that it has started; one that is gone already is fine."""
    if action.command.terminal is not None:
        await terminal_list.hang_up(client, action.command.terminal, REASON)
    else:
        pid = str(action.command.pid)
        await client.stop(pid, signal=action.signal, grace=action.grace, reason=REASON)
