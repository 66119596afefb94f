"""Which instances processes have, and which of them a command is about; pure."""

from __future__ import annotations

from collections.abc import Iterable

from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import PlanOptions, in_scope
from sbxcompose.spec.project import Process, Project


def instances_of(processes: Iterable[Process]) -> dict[Instance, Process]:
    """Return every replica of the processes."""
    return {
        Instance(process.sandbox, process.name, replica): process
        for process in processes
        for replica in range(1, process.replicas + 1)
    }


def instances_in_scope(project: Project, options: PlanOptions) -> dict[Instance, Process]:
    """Return the instances that a command is about: of a process that is named by its replicas, and that nothing else
    in scope needs, only these.
    """
    processes = in_scope(project, options)
    every = instances_of(processes)
    if options.targets is None:
        return every
    named = options.targets | options.rerun
    parts = {(target.sandbox, target.process) for target in named}
    parts -= {(target.sandbox, target.process) for target in named if target.replica is None}
    if not options.no_deps:
        parts -= {(need.sandbox, need.process) for process in processes for need in project.needs_of(process)}
    return {
        instance: process
        for instance, process in every.items()
        if (process.sandbox, process.name) not in parts or any(target.covers(instance) for target in named)
    }
