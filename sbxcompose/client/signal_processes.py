"""Send a signal to running processes and their process groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sbxcompose import signals
from sbxcompose.client.commands import not_running
from sbxcompose.engine.observed_names import resolve_running
from sbxcompose.engine.session import Session
from sbxcompose.errors import UsageError
from sbxcompose.plan.names import ProcessNames, Target
from sbxcompose.plan.observed import Observed, ObservedRow, ObservedSandbox, SandboxState


def signal_number(signal: str | int) -> int:
    """Return the number of a signal: `HUP`, `SIGHUP`, `1`, 1 or `signal.SIGHUP` -> 1. Raises `UsageError`."""
    word = getattr(signal, "name", signal)  # an enum's name, because numbers differ between systems
    if isinstance(word, str):
        number = int(word) if word.isascii() and word.isdecimal() else signals.named(word)
    else:
        number = word
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= signals.LAST:
        from sbxcompose.similar import did_you_mean  # late: only this message needs it

        known = (name.removeprefix("SIG") for name in signals.BY_NAME)
        examples = "examples: HUP, INT, TERM, USR1, 9"
        raise UsageError(
            f"invalid signal `{signal}`", hint=did_you_mean(str(word).upper().removeprefix("SIG"), known, examples)
        )
    return number


async def send_signal(
    session: Session, names: Sequence[str], number: int, sent: Callable[[str], None]
) -> tuple[str, ...]:
    """Send a signal to running processes, without names to all; return the names of their instances.

    `sent` is called with each. Raises `UnknownName`, and `UsageError` if none of those named is running.
    """
    targets = await resolve_running(session, names)
    observed = await session.observe()
    rows = _running(observed, targets)
    suspended = _first_suspended(observed, targets)
    if not rows and suspended is not None:
        raise not_running(suspended)
    if not rows and targets is not None:
        raise UsageError("none of these processes is running", hint="`sbxcompose ps` lists those that are")
    shown = ProcessNames(session.project, observed)
    reached: list[str] = []
    for row in rows:
        await session.connections[row.instance.sandbox].client.signal(row.name, number)
        reached.append(shown.instance(row.instance))
        sent(reached[-1])
    return tuple(reached)


def _running(observed: Observed, targets: Collection[Target] | None) -> list[ObservedRow]:
    return [
        row
        for sandbox in observed.sandboxes
        for row in sandbox.rows
        if row.pid is not None and (targets is None or any(target.covers(row.instance) for target in targets))
    ]


def _first_suspended(observed: Observed, targets: Collection[Target] | None) -> ObservedSandbox | None:
    """Return the first suspended sandbox that the targets (None: all) are in."""
    for sandbox in observed.sandboxes:
        meant = targets is None or any(target.sandbox == sandbox.name for target in targets)
        if meant and sandbox.state is SandboxState.SUSPENDED:
            return sandbox
    return None
