"""The mark that `down` leaves in a sandbox, after which what ran before does not count as completed; pure.

No record decides anything, the process list alone does: so the mark is a row of it: a short run under a reserved name.
Runs that began before the latest mark, and have ended, are of an earlier life of the project. It works by the contract
alone, and lasts as long as the rows do: over suspensions and restarts of the host.
"""

from __future__ import annotations

from collections.abc import Iterable

from sbxcompose.api.models import ProcessInfo, RestartConfig, StartRequest
from sbxcompose.names import parse_name

PROCESS = "@down"
"""No process of a file can have this name."""
NAME = f"{PROCESS}.00000000"
PROBE = "@probe"
"""As `PROCESS`, of the run that asks a daemon whether it supervises, see `daemon_abilities`."""
LISTENER = "@listen"
"""As `PROCESS`, of the program that listens for `connect`, see `connect.remote_listener`."""

Order = tuple[int, int]
"""When a run began: milliseconds since 1970, and its handle where two began in the same one."""


def mark_request() -> StartRequest:
    """Return the run that is the mark. It does nothing, in a directory that is always there."""
    return StartRequest(command="true", working_dir="/", name=NAME, restart=RestartConfig(policy="never"))


def words(message: str) -> str:
    """Return a message about the mark's run in words about `down`, which is all that people know of it."""
    return message.removeprefix(f"{NAME}: ").replace(NAME, "`down`")


def is_mark(info: ProcessInfo) -> bool:
    """Return whether a row is a mark and no process of the project."""
    return _process_of(info) == PROCESS


def is_own(info: ProcessInfo) -> bool:
    """Return whether a row is a run of `sbxcompose` that is none of the project's: a mark, a probe, a listener."""
    return _process_of(info) in (PROCESS, PROBE, LISTENER)


def _process_of(info: ProcessInfo) -> str | None:
    parsed = parse_name(info.managed.name) if info.managed is not None and info.managed.name else None
    return None if parsed is None else parsed[0]


def order_of(info: ProcessInfo) -> Order:
    """When a row's current or latest run began, to be compared within one sandbox."""
    return info.started_at, info.handle or 0


def latest_mark(rows: Iterable[ProcessInfo]) -> Order | None:
    """When the latest `down` was; None if there was none."""
    return max((order_of(info) for info in rows if is_mark(info)), default=None)


def is_past(info: ProcessInfo, mark: Order | None) -> bool:
    """Return whether a row is of an earlier life of the project.

    The sandbox's own set-up commands (`@setup1`) are not: what they did is still in the sandbox.
    """
    managed = info.managed
    if mark is None or managed is None or managed.status != "stopped" or (managed.name or "").startswith("@"):
        return False
    return order_of(info) < mark
