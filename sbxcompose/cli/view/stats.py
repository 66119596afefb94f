"""CPU and memory for people: a table of processes, then of sandboxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.table import table_lines
from sbxcompose.cli.view.text_table import TextTable
from sbxcompose.cli.view.units import memory, percent
from sbxcompose.client.stats import UsageNow, UsageReport
from sbxcompose.plan.observed import Instance

MIN_TWO_NUMBERS = 30
"""Columns of a terminal that has room for CPU and memory."""
HEADER = ("NAME", "CPU", "MEMORY", "MEM %", "PROCS")

FIELDS = ("Name", "Service", "Process", "Sandbox", "Replica", "CPUPerc", "MemUsage", "MemPerc", "PIDs")
"""What a template of `--format` may name, in Docker's words; `Service` is its word for a process."""


def fields(found: UsageReport, names: Mapping[Instance, str]) -> list[dict[str, Any]]:
    """Return the values of `FIELDS` for each instance in `names` that was measured."""
    rows = []
    for instance, name in names.items():
        if (now := found.instances.get(instance)) is None:
            continue
        total = found.sandboxes.get(instance.sandbox)
        limit = total.memory_limit if total is not None else None
        share = now.memory / limit * 100 if limit else None
        usage = memory(now.memory) if limit is None else f"{memory(now.memory)} / {memory(limit)}"
        where = (instance.process, instance.process, instance.sandbox, instance.replica)
        values = (name, *where, percent(now.cpu), usage, percent(share), now.processes)
        rows.append(dict(zip(FIELDS, values, strict=True)))
    return rows


def lines(found: UsageReport, names: Mapping[Instance, str], style: Style, width: int | None) -> list[str]:
    """Return the table of the instances in `names`, and a last row for each of their sandboxes."""
    limits = {name: total.memory_limit for name, total in found.sandboxes.items()}
    rows = [
        [name, *_cells(found.instances.get(instance), limits.get(instance.sandbox))] for instance, name in names.items()
    ]
    wanted = {instance.sandbox for instance in names}
    rows += [
        [f"(sandbox {name})", *_cells(total.now, total.memory_limit)]
        for name, total in found.sandboxes.items()
        if name in wanted
    ]
    dispensable = ("MEM %", "PROCS", "CPU") if width is not None and width < MIN_TWO_NUMBERS else ("MEM %", "PROCS")
    return table_lines(TextTable(HEADER, rows, dispensable, numbers=True), style, width)


def _cells(now: UsageNow | None, limit: int | None) -> list[str]:
    if now is None:
        return ["-"] * (len(HEADER) - 1)
    share = now.memory / limit * 100 if limit else None
    return [percent(now.cpu), memory(now.memory), percent(share), str(now.processes)]
