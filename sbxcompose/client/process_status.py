"""The status of an instance as a plain value: what `ps --json` prints and the Python API returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from sbxcompose.client.process_state import ProcessState
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.plan.background import programs
from sbxcompose.plan.observed import ObservedRow, Phase


class ProcessStatus(Struct, frozen=True, kw_only=True):
    """One instance (a replica of a process). Times are seconds since 1970; values of secrets are masked.

    `name` is what the command line calls it: `web`, `web.2` for a replica, `app/web` where two sandboxes have a `web`.
    """

    name: str
    sandbox: str
    process: str
    replica: int
    state: ProcessState
    ready: bool | None
    """Whether it is ready; None if that is unknown."""
    health: str | None
    """Result of the health check: `starting`, `healthy` or `unhealthy`; None without a check or a run."""
    pid: int | None
    run: int | None
    """Number of the current or latest run, from 1; None if it has never run."""
    restarts: int
    started_at: float | None
    next_restart_at: float | None
    exit_code: int | None
    """Exit code of the latest run that has exited; None if a signal killed it, or if that is unknown."""
    exit_signal: int | None
    """The signal that killed the latest run that has exited."""
    exited_at: float | None
    oom_killed: bool
    """The kernel killed its first process for lack of memory."""
    out_of_memory: bool
    """The latest run failed, and the kernel killed it or another process of its sandbox for lack of memory."""
    last_error: str | None
    """Why the latest start failed, or why its supervisor gave up."""
    left_behind: tuple[str, ...]
    """Background processes that the latest run left behind and that were killed."""
    command: tuple[str, ...]
    """What runs or ran last; for a process that has never run, the command in the file."""
    digest: str | None
    """Digest of the definition that it was started with."""
    wanted_digest: str | None
    """Digest of the definition in the file; None for an orphan."""
    outdated: bool
    """It runs with another definition than the file has."""
    orphan: bool
    """The file does not define it any longer."""
    completed: bool
    port: int | None
    description: str | None
    labels: Mapping[str, str]

    @property
    def running(self) -> bool:
        """Whether a run is alive."""
        return self.pid is not None


def state_of(entry: ListedInstance) -> ProcessState:
    """Return the state of an instance in one word or two."""
    row = entry.row
    if entry.failure is not None and (row is None or not row.live):
        return ProcessState.FAILED_TO_START
    if row is None:
        return ProcessState.SUSPENDED if entry.asleep else ProcessState.NOT_STARTED
    if row.phase is Phase.EXITED and row.completed and row.exit is not None:
        return ProcessState.COMPLETED
    if row.phase is not Phase.RUNNING:
        return ProcessState(row.phase.value)
    if entry.outdated or entry.process is None or entry.process.ready_when is None:
        return ProcessState.HEALTHY if row.has_health_check else ProcessState.RUNNING
    return {True: ProcessState.READY, False: ProcessState.STARTING, None: ProcessState.RUNNING}[entry.ready]


def process_status(entry: ListedInstance, hide: Callable[[str], str]) -> ProcessStatus:
    """Return the status of an instance; `hide` masks secrets."""
    row, process = entry.row, entry.process
    end = row.exit if row is not None else None
    return ProcessStatus(
        name=entry.label,
        sandbox=entry.instance.sandbox,
        process=entry.instance.process,
        replica=entry.instance.replica,
        state=state_of(entry),
        ready=entry.ready,
        health=_health(row),
        pid=row.pid if row is not None else None,
        run=row.run if row is not None else None,
        restarts=row.restarts if row is not None else 0,
        started_at=row.started_at if row is not None else None,
        next_restart_at=row.next_restart_at if row is not None else None,
        exit_code=end.code if end is not None else None,
        exit_signal=end.signal if end is not None else None,
        exited_at=end.at if end is not None else None,
        oom_killed=end.oom_killed if end is not None else False,
        out_of_memory=end.out_of_memory if end is not None else False,
        last_error=hide(_last_error(entry) or "") or None,
        left_behind=tuple(programs(row)) if row is not None else (),
        command=tuple(hide(word) for word in command_of(entry)),
        digest=row.digest if row is not None else None,
        wanted_digest=process.digest if process is not None else None,
        outdated=entry.outdated,
        orphan=process is None,
        completed=row.completed if row is not None else False,
        port=process.port_of(entry.instance.replica) if process is not None else None,
        description=process.description if process is not None else None,
        labels=dict(process.labels) if process is not None else {},
    )


def command_of(entry: ListedInstance) -> tuple[str, ...]:
    """Return what runs or ran last; for a process that has never run, the command in the file."""
    if entry.row is not None and entry.row.command:
        return entry.row.command
    return entry.process.command if entry.process is not None else ()


def _last_error(entry: ListedInstance) -> str | None:
    if entry.failure is not None:
        return entry.failure.error
    return entry.row.last_error if entry.row is not None else None


def _health(row: ObservedRow | None) -> str | None:
    if row is None or not row.has_health_check:
        return None
    return {Phase.STARTING: "starting", Phase.RUNNING: "healthy", Phase.UNHEALTHY: "unhealthy"}.get(row.phase)
