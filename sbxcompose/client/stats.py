"""CPU and memory of processes and sandboxes: the difference of two samples. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

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


def to_json(found: UsageReport, names: Mapping[Instance, str], at: float) -> dict[str, Any]:
    """Return one report for a program: of the instances in `names`, and of their sandboxes. `at`: since 1970."""
    sandboxes = {instance.sandbox for instance in names}
    return {
        "time": round(at, 3),
        "processes": [
            {"name": name, "sandbox": instance.sandbox, "process": instance.process, "replica": instance.replica}
            | _numbers(found.instances[instance])
            for instance, name in names.items()
            if instance in found.instances
        ],
        "sandboxes": [
            {"sandbox": sandbox} | _numbers(total.now) | {"cpus": total.cpus, "memory_limit_bytes": total.memory_limit}
            for sandbox, total in found.sandboxes.items()
            if sandbox in sandboxes
        ],
    }


def _numbers(now: UsageNow) -> dict[str, Any]:
    cpu = None if now.cpu is None else round(now.cpu, 2)
    return {"cpu_percent": cpu, "memory_bytes": now.memory, "processes": now.processes}
