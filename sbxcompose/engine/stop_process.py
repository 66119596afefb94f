"""Stop a process of a sandbox by signal and grace, by our extension where the daemon has it, else by the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbxcompose.api.sandbox import Asked, SandboxClient


async def stop_process(
    client: SandboxClient, process: str, *, signal: int, grace: float, asked: Asked | None = None
) -> None:
    """End a process (by PID or managed name) and its supervision; returns when it is gone.

    It gets `signal`, and after `grace` seconds SIGKILL. `asked`: it is asked to end by that command first, and gets the
    signal only if the command fails. Raises as `SandboxClient`; a process that is gone already is fine.
    """
    if client.extensions & {"batch", "stop"}:
        await client.stop(process, signal=signal, grace=grace, asked=asked)
        return
    from sbxcompose.engine.contract.stop import stop  # few daemons lack the extension

    await stop(client, process, signal, grace, asked)
