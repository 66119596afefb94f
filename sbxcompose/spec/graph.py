"""Who needs whom: an order in which needs come first, and circles; pure, linear, without recursion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key")


def dependency_order(needs: Mapping[Key, Sequence[Key]]) -> list[Key]:
    """Return all keys, each behind what it needs, otherwise in the order given; members of a circle are left out.

    Needs that are no keys of the mapping do not count.
    """
    waiting = {key: sum(1 for need in set(wanted) if need in needs) for key, wanted in needs.items()}
    dependents: dict[Key, list[Key]] = {key: [] for key in needs}
    for key, wanted in needs.items():
        for need in dict.fromkeys(wanted):
            if need in needs:
                dependents[need].append(key)
    order = [key for key, count in waiting.items() if count == 0]
    for key in order:
        for dependent in dependents[key]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                order.append(dependent)
    return order


def find_cycles(needs: Mapping[Key, Sequence[Key]]) -> list[list[Key]]:
    """Circles: each as its members in the order of need, without the first one again at the end.

    Every circle that shares no member with another is found; of those that do, at least one.
    """
    ordered: list[Key] = dependency_order(needs)
    left = set(needs).difference(ordered)
    cycles: list[list[Key]] = []
    done: set[Key] = set()
    for start in needs:
        if start not in left or start in done:
            continue
        path: list[Key] = []
        position: dict[Key, int] = {}
        pending = [iter([start])]
        while pending:
            key = next((need for need in pending[-1] if need in left and need not in done), None)
            if key is None:
                pending.pop()
                if path:
                    last = path.pop()
                    del position[last]
                    done.add(last)
            elif key in position:
                cycles.append(path[position[key] :])
                # Whatever else this walk holds leads into the circle just found.
                done.update(path)
                break
            else:
                position[key] = len(path)
                path.append(key)
                pending.append(iter(needs[key]))
    return cycles
