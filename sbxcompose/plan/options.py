"""What a command asks of the planner beyond the project itself."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from sbxcompose.plan.names import Target
from sbxcompose.spec.project import Process, Project


class Intent(StrEnum):
    """Which command asks; completes "… was asked for"."""

    UP = "up"
    """Make the world as the file says: start, replace and stop what has to be, and nothing else."""
    START = "start"
    """Start what is not running; what runs an older definition is left running, with a note."""
    RESTART = "restart"
    """Restart the targets as the file says now; their needs are started if they are not running. Without targets:
    everything but one-shots that have completed.
    """
    STOP = "stop"
    """Stop the targets, and only them; their sandboxes stay as they are."""
    DOWN = "down"
    """Want nothing: stop everything of this project; in the cloud suspend the sandboxes, or terminate them. With
    targets as `STOP`.
    """


class PlanOptions(Struct, frozen=True):
    """How far a command goes.

    `targets`: None means all. `rerun`: processes that the user named; they are in scope beside the targets, and get
    a new run unless they run, also if they have completed. What targets need is brought up too unless `no_deps`;
    then what they need is not waited for either, and what depends on them is not restarted. `force_recreate`: a new
    run of the targets though nothing changed. `recreate_needs`: the same of what they need. `no_recreate`: what
    runs is left running though its definition has changed. `remove_orphans`: stop what the file no longer has.
    `recreate_sandboxes`: replace sandboxes that differ from the file, which destroys their data. `terminate`:
    `down` ends the sandboxes for good. `attached`: `down` also stops the commands of `run` and `exec` that other
    terminals wait for. `grace`: seconds, instead of each process's own. `because`: the reason to show for runs that
    are asked for, instead of the command's name (`site/index.html changed`).
    """

    targets: frozenset[Target] | None = None
    rerun: frozenset[Target] = frozenset()
    no_deps: bool = False
    force_recreate: bool = False
    recreate_needs: bool = False
    no_recreate: bool = False
    remove_orphans: bool = False
    recreate_sandboxes: bool = False
    terminate: bool = False
    attached: bool = False
    grace: float | None = None
    because: str | None = None


def in_scope(project: Project, options: PlanOptions) -> list[Process]:
    """Return the processes that the command is about: what is asked for and, unless told otherwise, what that needs."""
    every = {(process.sandbox, process.name): process for process in project.every_process()}
    active = () if options.targets is not None else project.processes()
    found = {(process.sandbox, process.name): process for process in active}
    named = (options.targets or frozenset()) | options.rerun
    waiting = [(target.sandbox, target.process) for target in named]
    while waiting:
        key = waiting.pop()
        if key not in found and key in every:
            found[key] = every[key]
            if not options.no_deps:
                waiting += [(need.sandbox, need.process) for need in project.needs_of(every[key])]
    return [process for key, process in every.items() if key in found]
