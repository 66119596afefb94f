"""What a command is about: the processes it names, what these need, and the sandboxes to be replaced."""

from __future__ import annotations

from sbxcompose.plan.observed import SandboxState
from sbxcompose.plan.options import Intent, Options
from sbxcompose.plan.world import GONE, World


class Scope:
    """The processes that a command brings up.

    `named` maps those that were asked for to the replicas meant (None: all), `nodes` are all of them with
    what they need. `replaced` are the sandboxes that have to be made anew.
    """

    def __init__(self, world: World, intent: Intent, options: Options) -> None:
        self._world = world
        graph = world.graph
        if options.targets is None:
            self.named: dict[int, set[int] | None] = {node: None for node, active in enumerate(graph.active) if active}
        else:
            self.named = world.chosen(options.targets)
        self.nodes = set(self.named) if options.no_deps else graph.closure(self.named)
        self.replaced: set[str] = set()
        if intent is Intent.UP and options.recreate_sandboxes:
            self._replace(everything=options.targets is None)
        self._needed: set[int] = set()
        if not options.no_deps:
            self._needed.update(edge.node for node in self.nodes for edge in graph.needs[node])

    def _replace(self, everything: bool) -> None:
        """A new sandbox needs all that ran in the old one, and that may need a further sandbox."""
        graph = self._world.graph
        differing = {each.name for each in self._world.observed.sandboxes if self._differs(each.name)}
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
        """Whether the instance was asked for itself, and not only because something needs it."""
        if node not in self.named:
            return False
        replicas = self.named[node]
        return replicas is None or replica in replicas

    def replicas(self, node: int) -> set[int] | None:
        """The replicas of a process that are meant; None for all."""
        if node in self._needed or self._world.graph.processes[node].sandbox in self.replaced:
            return None
        return self.named.get(node)
