"""What a sandbox's daemon can do: older ones lack parts of the contract (section 9), and say so only when asked."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum

from msgspec import Struct

from sbxcompose.api.models import RestartConfig, StartRequest
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.engine.down_mark import PROBE
from sbxcompose.errors import Conflict, NotFound, ProviderError, Refused, Unsupported
from sbxcompose.tasks import finish_all

IMAGE_HINT = "name an `image` with a newer daemon in the file, then `sbxcompose up --recreate-sandboxes`"


class Ability(StrEnum):
    """A part of the contract that not every daemon has."""

    SUPERVISION = "supervised processes"
    RUN = "commands (`run`)"
    TERMINALS = "terminals"
    TUNNELS = "tunnels"


NEEDED = (Ability.SUPERVISION, Ability.RUN)
"""Without these nothing of a project can be started."""


class DaemonReport(Struct, frozen=True):
    """What a daemon answered. `version` is None where it does not tell."""

    version: str | None
    lacking: tuple[Ability, ...]

    @property
    def name(self) -> str:
        """The daemon, in messages."""
        return f"its daemon (version {self.version})" if self.version else "its daemon"


def unsupported(sandbox: str, report: DaemonReport) -> Unsupported:
    """Return the error for a daemon that lacks what we need."""
    lacking = " and ".join(ability for ability in report.lacking)
    return Unsupported(f"sandbox {sandbox}: {report.name} does not support {lacking}", hint=IMAGE_HINT)


async def report_of(client: SandboxClient, lacking: tuple[Ability, ...]) -> DaemonReport:
    """Return the report with the daemon's own version."""
    version = None
    with suppress(ProviderError):
        told = await client.ask("GET", "/info", "the daemon")
        version = str(told["version"]) if isinstance(told, dict) and told.get("version") else None
    return DaemonReport(version, lacking)


async def all_abilities(client: SandboxClient) -> DaemonReport:
    """Ask for everything; what is started for that does nothing, and has ended afterwards. Raises `ProviderError`s."""
    answers = await finish_all([supervises(client), _runs(client), _has_terminals(client), has_tunnels(client)])
    lacking = tuple(ability for ability, there in zip(Ability, answers, strict=True) if not there)
    return await report_of(client, lacking)


def probe_request() -> StartRequest:
    """Return a run that does nothing, under a name: only a daemon that supervises takes notice of that."""
    return StartRequest(
        command="true", working_dir="/", name=f"{PROBE}.00000000", restart=RestartConfig(policy="never")
    )


async def supervises(client: SandboxClient) -> bool:
    """Start `true` under a name; whether the daemon took notice of it. What others have started is ended at once."""
    try:
        info = await client.start(probe_request())
    except Conflict:
        return True  # a probe of another client holds the name
    if info.managed is not None:
        return True
    with suppress(Refused):  # it may have ended by itself
        await client.delete(str(info.pid))
    return False


async def _runs(client: SandboxClient) -> bool:
    try:
        await client.run(StartRequest(command="true", working_dir="/"))
    except Refused as error:
        if is_missing_route(error):
            return False
        raise
    return True


async def _has_terminals(client: SandboxClient) -> bool:
    try:
        await client.ask("GET", "/pty", "the list of terminal sessions")
    except Refused as error:
        if is_missing_route(error):
            return False
        raise
    return True


async def has_tunnels(client: SandboxClient) -> bool:
    """Ask for a tunnel to port 0, which every daemon that has tunnels refuses (contract, section 6)."""
    try:
        socket = await client.socket("/tunnels/tcp?port=0")
    except Refused as error:
        return not is_missing_route(error)
    async with socket:
        return True


def is_missing_route(error: Refused) -> bool:
    """Return whether a refusal means that the daemon does not know the request (contract, section 9)."""
    if isinstance(error, NotFound):
        return error.code not in ("SANDBOX_NOT_FOUND", "MISSING_SANDBOX_ID")
    return error.status in (405, 501)
