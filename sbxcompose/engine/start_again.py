"""What to do after a start that was refused with 409, or whose answer was lost: decided from the list of rows; pure.

409 means to look again: another client may have been first. A new name is taken only where the server cannot
reuse an ended one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from sbxcompose.api.models import ProcessInfo, StartRequest
from sbxcompose.engine.observe import row_key
from sbxcompose.errors import Conflict, Unreachable
from sbxcompose.names import parse_name
from sbxcompose.plan.observed import next_name


class AlreadyStarted(Struct, frozen=True):
    """The run exists or is being started, by another client or by the request whose answer was lost."""


class Retry(Struct, frozen=True):
    """Ask once more for the same, after a pause."""


class StopRival(Struct, frozen=True):
    """Stop a live run of the same instance with another definition, then ask once more."""

    name: str


class UseOtherName(Struct, frozen=True):
    """Ask once more under another name: the server does not reuse the name of an ended row."""

    name: str


class Ambiguous(Unreachable):
    """Several runs have begun, and which one was asked for cannot be known."""


After = AlreadyStarted | Retry | StopRival | UseOtherName


def after_failure(
    error: Exception,
    name: str,
    replaces: Collection[str],
    rows: Sequence[ProcessInfo],
    *,
    refused_before: bool,
    before: ProcessInfo | None,
) -> After:
    """Decide from the error and the rows as they are now.

    `refused_before`: this name was refused once already. `before` is the row of that name before the request.
    """
    named = {row.managed.name: row for row in rows if row.managed is not None and row.managed.name is not None}
    own = named.get(name)
    if own is not None and _live(own):
        return AlreadyStarted()
    if not isinstance(error, Conflict):
        # A one-shot may have ended by now: the answer was lost, not the run.
        return AlreadyStarted() if own is not None and _run_of(own) != _run_of(before) else Retry()
    for other, row in named.items():
        if _live(row) and other not in replaces and _same_instance(other, name):
            return StopRival(other)
    # A row may have ended, or a start have failed, between the refusal and this look: only a second refusal tells.
    if own is not None and error.live is None and refused_before:
        return UseOtherName(_free_name(name, named))
    return Retry()


def unnamed_after_failure(
    request: StartRequest, known: Collection[str], rows: Sequence[ProcessInfo]
) -> ProcessInfo | None:
    """Return the row of an unmanaged start whose answer was lost; None if nothing was started.

    It has no name: it is the one row of this command that was not there before (`known`, as `row_key` has it). Raises
    `Ambiguous` if another client has started the same command meanwhile.
    """
    new = [
        row
        for row in rows
        if row.managed is None
        and (row.command, row.args) == (request.command, request.args)
        and row_key(row) not in known
    ]
    if len(new) > 1:
        raise Ambiguous(f"{request.command}: the answer to its start was lost, and {len(new)} runs of it have begun")
    return new[0] if new else None


def _run_of(row: ProcessInfo | None) -> tuple[int | None, int, int] | None:
    return None if row is None else (row.handle, row.pid, row.started_at)


def _live(row: ProcessInfo) -> bool:
    return row.managed is not None and row.managed.status != "stopped"


def _same_instance(one: str, other: str) -> bool:
    first, second = parse_name(one), parse_name(other)
    return first is not None and second is not None and first[:2] == second[:2]


def _free_name(name: str, taken: Collection[str | None]) -> str:
    while name in taken:
        name = next_name(name)
    return name
