"""What each command asks of the planner, from names as people write them; pure.

Shared by the command line and the Python API, so that `down web` means the same in both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sbxcompose.plan.instances import instances_of
from sbxcompose.plan.names import Target, resolve_all
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.scope import NothingSelected
from sbxcompose.spec.project import Process, Project


def start_options(project: Project, names: Sequence[str] = (), *, no_deps: bool = False) -> PlanOptions:
    """`start`: processes that are named get a new run, also if they have completed."""
    targets = resolve_all(project, names)
    return PlanOptions(targets=targets, rerun=targets or frozenset(), no_deps=no_deps)


def restart_options(
    project: Project, names: Sequence[str] = (), *, no_deps: bool = False, grace: float | None = None
) -> PlanOptions:
    """`restart`: a new run with the definition in the file."""
    return PlanOptions(targets=resolve_all(project, names), no_deps=no_deps, grace=grace)


def stop_options(
    project: Project, targets: frozenset[Target] | None = None, *, grace: float | None = None
) -> PlanOptions:
    """`stop`: without its file, the project is everything that runs in its sandboxes."""
    return PlanOptions(targets=targets, grace=grace, remove_orphans=not project.files)


def down_options(
    project: Project,
    targets: frozenset[Target] | None = None,
    *,
    grace: float | None = None,
    remove_orphans: bool = False,
    terminate: bool = False,
) -> PlanOptions:
    """`down`: without its file, the project is everything that runs in its sandboxes."""
    return PlanOptions(
        targets=targets,
        grace=grace,
        remove_orphans=remove_orphans or not project.files,
        terminate=terminate,
        attached=True,
    )


def wanted_instances(project: Project, targets: Collection[Target] | None) -> dict[Instance, Process]:
    """Return the instances that the targets cover, also of processes that only start by name or whose profile is not
    active. None: all that are wanted. Raises `NothingSelected` if there are none.
    """
    if targets is None:
        every = instances_of(project.processes())
        if not every and project.inactive:
            raise NothingSelected(project)
        return every
    every = instances_of(project.every_process())
    return {
        instance: process for instance, process in every.items() if any(target.covers(instance) for target in targets)
    }
