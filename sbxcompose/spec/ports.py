"""The ports that the key `port` gives to the replicas of a process, and what cannot be so; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from sbxcompose.spec.project import Pairs, Process

LAST = 65535


def own_ports(first: int, replicas: int) -> tuple[Pairs, ...]:
    """Return the variable PORT of each replica: one more than the one before."""
    return tuple((("PORT", str(first + replica)),) for replica in range(replicas))


def wrong_ports(processes: Iterable[Process]) -> Iterator[tuple[Process, str, str]]:
    """Ports beyond the last one, and ports that two processes would share: whose, what is wrong, and the remedy."""
    held: list[tuple[int, int, Process]] = []
    for process in processes:
        if process.port is None or not process.replicas:
            continue
        first, last = process.port, process.port + process.replicas - 1
        if last > LAST:
            message = f"`{process.name}` has {process.replicas} replicas from port {first} on: the last is {LAST}"
            yield process, message, "choose a lower port"
        held.append((first, last, process))
    held.sort(key=lambda ports: ports[:2])
    for (first, last, process), (first_, last_, other) in pairwise(held):
        if first_ <= last:
            message = f"`{process.name}` {_ports(first, last)} and `{other.name}` {_ports(first_, last_)} overlap"
            yield other, message, "choose ports further apart: each replica takes the next one"


def _ports(first: int, last: int) -> str:
    return f"(port {first})" if first == last else f"(ports {first} to {last})"
