"""What is worth knowing about processes that a plan starts: keys that do less than one might think."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sbxcompose.plan.decisions import Decision
from sbxcompose.plan.steps import PlanNote
from sbxcompose.plan.world import World
from sbxcompose.plurals import counted
from sbxcompose.spec.ports import LAST
from sbxcompose.spec.project import Process, RestartPolicy


def start_notes(world: World, decisions: Mapping[int, Sequence[Decision]]) -> Iterator[PlanNote]:
    """Return notes on the processes of which the plan starts an instance."""
    if world.project.one_off is not None:
        yield from _without_port(world, [node for node, mine in decisions.items() if any(one.start for one in mine)])
    for node, mine in decisions.items():
        if any(decision.start is not None for decision in mine):
            process = world.graph.processes[node]
            if process.replicas == 1 and not process.success_exit_codes:
                continue  # as nearly all are
            label, provider = world.label(node), world.project.provider_of(world.sandboxes[process.sandbox])
            for kind, text in (
                ("replicas", _shared_check(process)),
                (
                    "success_exit_codes",
                    _codes_of_others(process, provider),
                ),
            ):
                if text is not None:
                    yield PlanNote(kind, f"{label}: {text}", process.sandbox)


def _without_port(world: World, started: Sequence[int]) -> Iterator[PlanNote]:
    """Yield one note on all processes of a Procfile for which no PORT is left; those of another file need none."""
    without = [node for node in started if _lacks_port(world.graph.processes[node])]
    if without:
        first, more = world.label(without[0]), len(without) - 1
        who = f"{first} gets" if not more else f"{first} and {counted(more, 'other')} get"
        text = f"{who} no PORT: each line of a Procfile has 100 more than the one before, and ports end at {LAST}"
        yield PlanNote("port", text, world.graph.processes[without[0]].sandbox)


def _lacks_port(process: Process) -> bool:
    """Return whether a replica has no PORT; setup commands have none, and `port` or `env` may give it."""
    given = process.name.startswith("@") or "PORT" in dict(process.env)
    return not given and len(process.replica_env) < process.replicas


def _shared_check(process: Process) -> str | None:
    """Where replicas share the port of a health check, the replica that answers speaks for all."""
    check = process.health_check
    if process.replicas < 2 or check is None or check.kind == "exec" or check.port == process.port:
        return None
    return (
        f"its {process.replicas} replicas share the health check of port {check.port}: one that serves nothing counts "
        f"as healthy; `port: {check.port}` gives each its own"
    )


def _codes_of_others(process: Process, provider: str) -> str | None:
    """Return a note if the provider's supervisor, which knows one success, restarts it after these exit codes."""
    codes = [code for code in process.success_exit_codes if code != 0]
    restarts = process.restart.policy is not RestartPolicy.NEVER
    if provider == "local" or not codes or not restarts:
        return None
    return (
        f"the provider's supervisor restarts it after exit code {' or '.join(map(str, codes))} all the same, "
        "`success_exit_codes` or not; `restart: never` prevents that"
    )
