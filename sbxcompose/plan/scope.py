"""What a command is about: the processes it names, what these need, and the sandboxes to be replaced."""

from __future__ import annotations

from collections.abc import Iterator

from sbxcompose.errors import UsageError
from sbxcompose.plan.observed import Observed, SandboxState
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.world import GONE, World
from sbxcompose.spec.project import Project


class NothingSelected(UsageError):
    """A command that starts processes without naming any, while none of the file is started without that."""

    def __init__(self, project: Project) -> None:
        profiles = dict.fromkeys(f"`{name}`" for process in project.inactive for name in process.profiles)
        if profiles:
            why = "every process belongs to a profile, and none of these profiles is active"
            hint = f"activate one with `--profile NAME` ({', '.join(profiles)}), or name a process"
        else:
            why = "every process has `autostart: false`"
            hint = f"name a process: {', '.join(f'`{process.name}`' for process in project.inactive[:10])}"
        super().__init__(f"nothing is selected: {why}", hint=hint)


def check_selected(project: Project, observed: Observed, options: PlanOptions) -> None:
    """Raise `NothingSelected` if nothing is named, the file starts nothing by itself, and nothing of it runs."""
    if options.targets is not None or not project.inactive or any(True for _ in project.processes()):
        return
    if not any(row.live for sandbox in observed.sandboxes for row in sandbox.rows):
        raise NothingSelected(project)


class Scope:
    """The processes that a command brings up.

    `named` maps those that were asked for to the replicas meant (None: all), `nodes` are all of them with
    what they need. `replaced` are the sandboxes that have to be made anew.
    """

    def __init__(self, world: World, intent: Intent, options: PlanOptions) -> None:
        self._world = world
        graph = world.graph
        if options.targets is None:
            self.named: dict[int, set[int] | None] = dict.fromkeys(self._unnamed(intent))
        else:
            self.named = world.chosen(options.targets | options.rerun)
        self._rerun = world.chosen(options.rerun)
        for node, replicas in self._rerun.items():
            self.named.setdefault(node, replicas)
        if not self.named and world.project.inactive:
            raise NothingSelected(world.project)
        self.nodes = set(self.named) if options.no_deps else graph.closure(self.named)
        self.replaced: set[str] = set()
        if intent is Intent.UP and options.recreate_sandboxes:
            self._replace(everything=options.targets is None)
        self._needed: set[int] = set()
        if not options.no_deps:
            needs = (edge for node in self.nodes for edge in graph.needs[node])
            self._needed.update(edge.node for edge in needs if graph.wants(edge))

    def _unnamed(self, intent: Intent) -> Iterator[int]:
        """Yield what is meant where nothing is named: what is wanted, and what was started by name and runs, as it is
        now.
        """
        graph = self._world.graph
        for node, active in enumerate(graph.active):
            by_name = not graph.processes[node].autostart and intent is not Intent.START
            if active or (by_name and self._world.live_rows(node)):
                yield node

    def _replace(self, everything: bool) -> None:
        """Include all that ran in the old sandbox of a new one, and what that needs in further ones."""
        graph = self._world.graph
        differing = {sandbox.name for sandbox in self._world.observed.sandboxes if self._differs(sandbox.name)}
        while True:
            touched = {graph.processes[node].sandbox for node in self.nodes}
            new = (differing if everything else differing & touched) - self.replaced
            if not new:
                return
            self.replaced |= new
            ran = {
                node
                for node, process in enumerate(graph.processes)
                if process.sandbox in new and (graph.active[node] or self._world.live_rows(node))
            }
            self.nodes |= graph.closure(ran)

    def _differs(self, sandbox: str) -> bool:
        seen = self._world.seen(sandbox)
        return (
            sandbox in self._world.sandboxes
            and bool(seen.differences)
            and seen.state not in GONE
            and seen.state is not SandboxState.PENDING
        )

    def need(self, nodes: set[int]) -> None:
        """All replicas of these are needed, too."""
        self._needed |= nodes

    def names(self, node: int, replica: int) -> bool:
        """Return whether the instance was asked for itself, and not only because something needs it."""
        return _covers(self.named, node, replica)

    def reruns(self, node: int, replica: int) -> bool:
        """Return whether the user named the instance, so that it gets a new run unless it runs."""
        return _covers(self._rerun, node, replica)

    def replicas(self, node: int) -> set[int] | None:
        """Return the replicas of a process that are meant; None for all."""
        if node in self._needed or self._world.graph.processes[node].sandbox in self.replaced:
            return None
        return self.named.get(node)


def _covers(chosen: dict[int, set[int] | None], node: int, replica: int) -> bool:
    """Return whether an instance is among the chosen ones, where None stands for all replicas of a process."""
    if node not in chosen:
        return False
    replicas = chosen[node]
    return replicas is None or replica in replicas
