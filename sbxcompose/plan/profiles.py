"""What keeps a command from starting processes: a need in an inactive profile, or something unresolved; pure."""

from __future__ import annotations

from sbxcompose.errors import InactiveNeed
from sbxcompose.plan.decisions import completed
from sbxcompose.plan.graph import Graph
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Observed
from sbxcompose.plan.options import PlanOptions
from sbxcompose.spec.project import Project


def check_profiles(project: Project, observed: Observed, options: PlanOptions) -> None:
    """Raise `InactiveNeed` if bringing up what `options` name would start a process of an inactive profile.

    A process that is named is wanted whatever its profile, with all that it needs; so is one that runs, or has
    completed.
    """
    if options.no_deps or not project.inactive:
        return
    graph = Graph(project)
    named = _named(graph, options)
    there = _there(graph, observed)
    for node in sorted(graph.closure(named)):
        for edge in graph.needs[node] if graph.active[node] else ():
            if edge.required and not graph.active[edge.node] and edge.node not in named | there:
                raise _inactive(graph, ProcessNames(project), node, edge.node)


def check_resolved(project: Project, options: PlanOptions) -> None:
    """Raise `InvalidSpec` if bringing up what `options` name needs a variable or file that is not there."""
    if not project.unresolved:
        return
    graph = Graph(project)
    named = _named(graph, options)
    nodes = named if options.no_deps else graph.closure(named)
    project.check_resolved((graph.processes[node].sandbox, graph.processes[node].name) for node in sorted(nodes))


def _named(graph: Graph, options: PlanOptions) -> set[int]:
    asked = (options.targets or frozenset()) | options.rerun
    keys = [(target.sandbox, target.process) for target in asked]
    named = {graph.index[key] for key in keys if key in graph.index}
    if options.targets is None:
        named.update(node for node, active in enumerate(graph.active) if active)
    return named


def _there(graph: Graph, observed: Observed) -> set[int]:
    """Return the processes that run, or have completed."""
    found = set()
    for sandbox in observed.sandboxes:
        for row in sandbox.rows:
            node = graph.index.get((sandbox.name, row.instance.process))
            if node is not None and (row.live or completed(row, job=graph.job[node])):
                found.add(node)
    return found


def _inactive(graph: Graph, names: ProcessNames, node: int, need: int) -> InactiveNeed:
    process, other = graph.processes[node], graph.processes[need]
    name, needed = names.process(process.sandbox, process.name), names.process(other.sandbox, other.name)
    profiles = ", ".join(f"`{profile}`" for profile in other.profiles)
    return InactiveNeed(
        f"`{name}` needs `{needed}`, whose profile ({profiles}) is not active",
        hint=f"`--profile {other.profiles[0]}` activates it; or start `{needed}` first; "
        f"or give `{name}` the same profile, or the dependency `required: false`",
    )
