"""What a sandbox reports, as the planner sees it: the wire's rows become `ObservedRow`s and `Foreign`s."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from sbxcompose.api.follow import RunOutputEnded
from sbxcompose.api.models import LastExit, ManagedInfo, ProcessInfo
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.engine.down_mark import Order, is_own, is_past, latest_mark, order_of
from sbxcompose.engine.local_limits import full_disk
from sbxcompose.engine.requests import log_instance
from sbxcompose.names import parse_name
from sbxcompose.plan.observed import (
    Exit,
    Foreign,
    Instance,
    ObservedRow,
    ObservedSandbox,
    Phase,
    SandboxState,
    StartFailure,
)

_STATES = {
    "pending": SandboxState.PENDING,
    "running": SandboxState.RUNNING,
    "snapshotting": SandboxState.RUNNING,
    "suspending": SandboxState.SUSPENDED,
    "suspended": SandboxState.SUSPENDED,
    "terminated": SandboxState.TERMINATED,
}


Successes = Mapping[str, Collection[int]]
"""The exit codes that count as success besides 0, by process; 128 + n stands for a death by signal n, too."""


def observed_sandbox(
    name: str, info: SandboxInfo | None, rows: Iterable[ProcessInfo], successes: Successes = MappingProxyType({})
) -> ObservedSandbox:
    """Return the sandbox called `name` in the file, from what its provider and its daemon said."""
    if info is None:
        return ObservedSandbox(name, SandboxState.MISSING)
    ours: list[ObservedRow] = []
    foreign: list[Foreign] = []
    rows = sorted(rows, key=order_of)
    mark = latest_mark(rows)
    for process in rows:
        row = read_row(name, process, mark, successes)
        if row is not None:
            ours.append(row)
        elif not is_own(process):
            foreign.append(_foreign(name, process))
    state = _STATES.get(info.status, SandboxState.PENDING)
    failures = _failures(name, info, mark)
    return ObservedSandbox(name, state, tuple(ours), tuple(foreign), failures, full_disk=full_disk(info))


def _failures(sandbox: str, info: SandboxInfo, mark: Order | None) -> tuple[StartFailure, ...]:
    """Return the failed starts of the project's processes since the latest `down`."""
    found = []
    for failed in info.failed_starts:
        parsed = parse_name(failed.name)
        if parsed is not None and (mark is None or failed.at >= mark[0]):
            process, replica, digest, _ = parsed
            command = (failed.command, *failed.args)
            instance = Instance(sandbox, process, replica)
            found.append(StartFailure(instance, digest, command, failed.working_dir, failed.error, failed.at / 1000))
    return tuple(found)


def read_row(
    sandbox: str, info: ProcessInfo, mark: Order | None = None, successes: Successes = MappingProxyType({})
) -> ObservedRow | None:
    """Read a row that we started; None for a foreign one, whose name does not parse, and for marks and probes.

    `mark` is when the latest `down` was.
    """
    managed = info.managed
    parsed = parse_name(managed.name) if managed is not None and managed.name else None
    if managed is None or parsed is None or is_own(info):
        return None
    process, replica, digest, _ = parsed
    return ObservedRow(
        instance=Instance(sandbox, process, replica),
        digest=digest,
        name=managed.name or "",
        phase=_phase(info, managed),
        pid=(info.pid or None) if info.status == "running" else None,
        exit=_exit(info, managed, successes.get(process, ())),
        restarts=managed.restart_count,
        run=info.run or managed.restart_count + 1,
        started_at=info.started_at / 1000,
        next_restart_at=managed.next_restart_at / 1000 if managed.next_restart_at else None,
        has_health_check=managed.health_check is not None,
        health_failures=managed.consecutive_health_failures,
        last_error=managed.last_error,
        last_check=managed.last_check,
        left_behind=tuple(managed.left_behind),
        output_blocked=managed.output_blocked,
        stop_output=managed.stop_output,
        one_shot=managed.restart.policy == "never",
        failed_runs=managed.failed_runs or 0,
        command=(info.command, *info.args),
        past=is_past(info, mark),
        replaced=managed.replaced,
    )


def row_key(info: ProcessInfo) -> str:
    """Return what a row keeps over its restarts: its name; a row without one is not restarted and keeps its handle."""
    if info.managed is not None and info.managed.name:
        return info.managed.name
    return f"/{info.handle or info.pid}"


def _phase(info: ProcessInfo, managed: ManagedInfo) -> Phase:
    match managed.status:
        case "backing_off":
            return Phase.BACKING_OFF
        case "stopped":
            return Phase.STOPPED if managed.stop_requested or _must_have_been_asked(info, managed) else Phase.EXITED
        case "starting":
            # No run is there yet: the health that is told is that of the run before.
            return Phase.STARTING
    match managed.health_status:
        case "unhealthy":
            return Phase.UNHEALTHY
        case "starting":
            return Phase.STARTING
        case _:
            return Phase.RUNNING


def _must_have_been_asked(info: ProcessInfo, managed: ManagedInfo) -> bool:
    """Return whether a supervisor that does not say so was asked to stop: else it would have started another run.

    It would not have after having given up, which it says, or where the policy is content with such an end.
    """
    if info.run is not None or managed.last_error is not None or managed.restart.policy == "never":
        return False
    most = managed.restart.max_restarts
    given_up = most is not None and managed.restart_count >= most
    end = _exit(info, managed)
    content = managed.restart.policy == "on_failure" and (end is None or end.success)
    return not given_up and not content and managed.health_status != "unhealthy"


def recorded_exit(ended: RunOutputEnded) -> Exit:
    """Return how a run ended that a log tells of."""
    at = ended.time_ms / 1000
    return Exit(ended.exit_code, ended.signal, ended.oom_killed, at, oom_kills=ended.oom_kills)


def _exit(info: ProcessInfo, managed: ManagedInfo, successes: Collection[int] = ()) -> Exit | None:
    last = managed.last_exit
    if last is not None:
        accepted = last.counts_as_success(successes)
        at = last.ended_at / 1000
        return Exit(last.exit_code, last.signal, last.oom_killed, at, accepted, last.oom_kills)
    if info.status == "running":
        return None
    ended = LastExit(exit_code=info.exit_code, signal=info.signal, ended_at=info.ended_at or 0)
    accepted = ended.counts_as_success(successes)
    ended_at = info.ended_at / 1000 if info.ended_at else None
    return Exit(info.exit_code, info.signal, info.oom_killed, ended_at, accepted, info.oom_kills)


def _foreign(sandbox: str, info: ProcessInfo) -> Foreign:
    name = info.managed.name if info.managed else None
    beside = log_instance(sandbox, info.beside) if info.beside is not None else None
    command = (info.command, *info.args)
    return Foreign(sandbox, info.pid, name, command, info.status == "running", beside, info.end_unwatched)
