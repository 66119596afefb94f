"""Wait until processes have exited, and tell how."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext

from msgspec import Struct

from sbxcompose.client.commands import not_running, nothing_running
from sbxcompose.engine.events import WaitBegun, WaitEnded
from sbxcompose.engine.session import Session
from sbxcompose.errors import DeadlinePassed, FailedProcess, ProcessFailed, UsageError
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Exit, Instance, Observed, ObservedRow, SandboxState
from sbxcompose.spec.project import Process
from sbxcompose.tasks import gather_all

UNKNOWN = Exit()
"""The end of a run that was not observed."""


class ProcessExit(Struct, frozen=True, kw_only=True):
    """How the latest run of an instance ended; as text it is a sentence: `web exited with code 3`.

    `exit_code` is 128 + n if signal n killed it, and None if it is unknown, because the host was killed meanwhile.
    """

    name: str
    """What the command line calls the instance."""
    sandbox: str
    process: str
    replica: int
    run: int
    """Number of the run, from 1."""
    exit_code: int | None
    success: bool
    """Whether the code is 0, or one of the process's `success_exit_codes`."""
    exited_at: float | None
    """Seconds since 1970; None if that is unknown."""
    out_of_memory: bool
    """It failed, and the kernel killed it or another process of its sandbox for lack of memory."""
    text: str

    def __str__(self) -> str:
        return self.text

    def check(self) -> ProcessExit:
        """Return itself. Raises `ProcessFailed` unless it is a success."""
        if self.success:
            return self
        raise ProcessFailed(self.text, causes=[FailedProcess(self.name, self.text)])


def process_exit(row: ObservedRow, label: str) -> ProcessExit:
    """Return how the latest run of a row that has exited ended, as a plain value."""
    end = row.exit or UNKNOWN
    return ProcessExit(
        name=label,
        sandbox=row.instance.sandbox,
        process=row.instance.process,
        replica=row.instance.replica,
        run=row.run,
        exit_code=end.code if end.signal is None else 128 + end.signal,
        success=end.success,
        exited_at=end.at,
        out_of_memory=end.out_of_memory,
        text=f"{label} {end}",
    )


async def await_exits(
    session: Session,
    wanted: Mapping[Instance, Process],
    timeout: float | None,
    *,
    named: bool,
    exited: Callable[[ProcessExit], None] = lambda ended: None,
    waiting: AbstractAsyncContextManager[object] | None = None,
) -> tuple[ProcessExit, ...]:
    """Wait until none of the instances is running, and return how each ended. `exited` is called with each at once.

    `named`: the caller has named them, so that one without any run is a mistake; else it is left out. `waiting` is a
    context to wait in. Raises `UsageError` if nothing has been started, and `DeadlinePassed` after `timeout` seconds.
    """
    observed = await session.observe()
    names = ProcessNames(session.project)
    begun = _with_a_run(session, wanted, observed, names, named=named)
    found: dict[Instance, ProcessExit] = {}

    async def ended(instance: Instance) -> None:
        connection = session.connections[instance.sandbox]

        def finished() -> ObservedRow | None:
            row = connection.row(instance)
            return row if row is not None and not row.live else None

        session.emit(WaitBegun(instance, wanted[instance], None))
        row = await connection.wait_until(instance, finished)
        session.emit(WaitEnded(instance))
        found[instance] = process_exit(row, names.instance(instance))
        exited(found[instance])

    try:
        async with waiting or nullcontext(), asyncio.timeout(timeout):
            await gather_all(*(ended(instance) for instance in begun))
    except TimeoutError:
        late = [names.instance(instance) for instance in begun if instance not in found]
        raise _still_running(late, timeout or 0.0) from None
    return tuple(found[instance] for instance in begun)


def _with_a_run(
    session: Session, wanted: Mapping[Instance, Process], observed: Observed, names: ProcessNames, *, named: bool
) -> list[Instance]:
    """Return the instances that have had a run. Raises for those that were named and have had none."""
    if not session.connections:
        raise nothing_running(observed)
    begun: list[Instance] = []
    for instance in wanted:
        connection = session.connections.get(instance.sandbox)
        if connection is not None and connection.row(instance) is not None:
            begun.append(instance)
        elif named:
            raise _without_run(observed, instance, names.instance(instance))
    if not begun:
        raise nothing_running(observed)
    return begun


def _without_run(observed: Observed, instance: Instance, label: str) -> UsageError | ProcessFailed:
    sandbox = observed.sandbox(instance.sandbox)
    if sandbox.state is SandboxState.SUSPENDED:
        return not_running(sandbox)
    if (failure := observed.failure(instance)) is not None:
        said = f"{label} failed to start: {failure.error}"
        return ProcessFailed(said, causes=[FailedProcess(label, said)])
    return UsageError(f"{label} has not been started", hint=f"`sbxcompose start {label}` starts it")


def _still_running(late: list[str], timeout: float) -> DeadlinePassed:
    more = f", and {len(late) - 1} more" if len(late) > 1 else ""
    causes = [FailedProcess(label, f"{label} is still running") for label in late]
    return DeadlinePassed(
        f"timed out after {timeout:g}s: {causes[0].message}{more}", hint="`sbxcompose ps` shows more", causes=causes
    )
