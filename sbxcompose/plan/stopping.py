"""The arrows between stops: whatever depends on a process ends before it does.

Also across processes between the two that have nothing to stop. To keep that linear, what has to end before
such a process is handed on as a group, unrolled only where a stop needs it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sbxcompose.plan.graph import Graph
from sbxcompose.plan.ordering import StepOrdering

_LARGE = 32
"""A handed-on group of more stops than this is stood for by one stop that comes after all of them."""


class _StopGroup:
    """Stops that must end before something; either known (`stops`), or made of `parts` not yet unrolled."""

    __slots__ = ("parts", "stops")

    def __init__(self, stops: Sequence[int] | None, parts: Sequence[_StopGroup] = ()) -> None:
        self.stops = stops
        self.parts = parts


def order_stops(draft: StepOrdering, graph: Graph, stops: Mapping[int, Sequence[int]], only: Collection[int]) -> None:
    """Let each stop of a process come after all stops of what depends on it.

    `stops` are the numbers of steps by process; arrows are drawn to those in `only`.
    """
    before: dict[int, list[_StopGroup]] = {}
    for node in range(len(graph.processes) - 1, -1, -1):
        groups = before.pop(node, [])
        own = stops.get(node)
        if own:
            handed: _StopGroup | None = _StopGroup(own)
            _arrows(draft, [step for step in own if step in only], groups)
        elif len(groups) > 1:
            handed = _StopGroup(None, groups)
        else:
            handed = groups[0] if groups else None
        if handed is not None:
            for edge in graph.needs[node]:
                before.setdefault(edge.node, []).append(handed)


def _arrows(draft: StepOrdering, own: Sequence[int], groups: Sequence[_StopGroup]) -> None:
    if not own or not groups:
        return
    earlier = _unroll(groups)
    for step in own:
        draft.after[step].extend(earlier)
    for group in groups:
        if group.parts and len(earlier) > _LARGE:
            group.stops, group.parts = own[:1], ()


def _unroll(groups: Sequence[_StopGroup]) -> list[int]:
    found: dict[int, None] = {}
    seen = set()
    waiting = list(reversed(groups))
    while waiting:
        group = waiting.pop()
        if id(group) in seen:
            continue
        seen.add(id(group))
        if group.stops is not None:
            found.update(dict.fromkeys(group.stops))
        else:
            waiting.extend(group.parts)
    return list(found)
