"""CPU and memory of processes and sandboxes: the difference of two samples. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins

from sbxcompose.api.usage import Usage
from sbxcompose.engine.usage import SandboxSample
from sbxcompose.plan.observed import Instance

INTERVAL = 2.0
"""Seconds between two samples of what is shown."""
FIRST_INTERVAL = 0.5
"""Seconds between the first two: as long as the first answer takes."""


class UsageNow(Struct, frozen=True):
    """CPU in percent of one core (None before there is a second sample), memory in bytes, and how many processes."""

    cpu: float | None
    memory: int
    processes: int


class SandboxTotal(Struct, frozen=True):
    """All that runs in a sandbox, and the size of its machine."""

    now: UsageNow
    cpus: int
    memory_limit: int


class UsageReport(Struct, frozen=True):
    """What was measured, by instance and by sandbox."""

    instances: Mapping[Instance, UsageNow]
    sandboxes: Mapping[str, SandboxTotal]


NOTHING = UsageReport({}, {})


class ProcessStats(Struct, frozen=True, kw_only=True):
    """What one instance uses with all its descendants, as `stats --json` prints it."""

    name: str
    """What the command line calls it."""
    sandbox: str
    process: str
    replica: int
    cpu_percent: float | None
    """In percent of one core; None if it was not measured for long enough."""
    memory_bytes: int
    """Resident memory."""
    processes: int
    """How many processes it consists of."""


class SandboxStats(Struct, frozen=True, kw_only=True):
    """What all that runs in a sandbox uses, also what was not started from the file."""

    sandbox: str
    cpu_percent: float | None
    memory_bytes: int
    processes: int
    cpus: int
    """How many cores its machine has."""
    memory_limit_bytes: int
    """How much memory its machine has."""


class ProjectStats(Struct, frozen=True, kw_only=True):
    """What a project's running processes use. `time` is in seconds since 1970."""

    time: float
    processes: tuple[ProcessStats, ...]
    sandboxes: tuple[SandboxStats, ...]


def report(before: Sequence[SandboxSample], after: Sequence[SandboxSample]) -> UsageReport:
    """Return what was used between two samples of each sandbox; what is only in the first is left out."""
    earlier = {sample.sandbox: sample for sample in before}
    instances: dict[Instance, UsageNow] = {}
    sandboxes: dict[str, SandboxTotal] = {}
    for sample in after:
        first = earlier.get(sample.sandbox)
        runs = {pid: _between(first, sample, pid) for pid in sample.runs}
        for pid, run in sample.runs.items():
            if run.instance is not None:  # while one run replaces another there are two of an instance
                others = [instances[run.instance]] if run.instance in instances else []
                instances[run.instance] = _sum([*others, runs[pid]])
        total = _sum(runs.values()) if runs else UsageNow(0.0, 0, 0)
        sandboxes[sample.sandbox] = SandboxTotal(total, sample.cpus, sample.memory)
    return UsageReport(instances, sandboxes)


def _between(first: SandboxSample | None, sample: SandboxSample, pid: int) -> UsageNow:
    usage = sample.runs[pid].usage
    if first is None or sample.at <= first.at:
        return UsageNow(None, usage.memory, usage.processes)
    known = first.runs.get(pid)
    used = usage.cpu - (known.usage if known is not None else Usage()).cpu
    # What a child used is lost when a process other than its parent reaped it.
    return UsageNow(max(used, 0.0) / (sample.at - first.at) * 100, usage.memory, usage.processes)


def _sum(parts: Iterable[UsageNow]) -> UsageNow:
    found = list(parts)
    known = [part.cpu for part in found if part.cpu is not None]
    cpu = sum(known) if known else None
    return UsageNow(cpu, sum(part.memory for part in found), sum(part.processes for part in found))


def project_stats(found: UsageReport, names: Mapping[Instance, str], at: float) -> ProjectStats:
    """Return one report as a plain value: of the instances in `names`, and of their sandboxes. `at`: since 1970."""
    sandboxes = {instance.sandbox for instance in names}
    return ProjectStats(
        time=round(at, 3),
        processes=tuple(
            ProcessStats(
                name=name,
                sandbox=instance.sandbox,
                process=instance.process,
                replica=instance.replica,
                cpu_percent=_rounded(found.instances[instance].cpu),
                memory_bytes=found.instances[instance].memory,
                processes=found.instances[instance].processes,
            )
            for instance, name in names.items()
            if instance in found.instances
        ),
        sandboxes=tuple(
            SandboxStats(
                sandbox=sandbox,
                cpu_percent=_rounded(total.now.cpu),
                memory_bytes=total.now.memory,
                processes=total.now.processes,
                cpus=total.cpus,
                memory_limit_bytes=total.memory_limit,
            )
            for sandbox, total in found.sandboxes.items()
            if sandbox in sandboxes
        ),
    )


def to_json(found: UsageReport, names: Mapping[Instance, str], at: float) -> dict[str, Any]:
    """Return one report for a program, see `project_stats`."""
    value: dict[str, Any] = to_builtins(project_stats(found, names, at))
    return value


def _rounded(cpu: float | None) -> float | None:
    return None if cpu is None else round(cpu, 2)
