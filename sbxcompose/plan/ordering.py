"""Steps in the making: collected in any order, then numbered so that arrows point to smaller numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sbxcompose.plan.graph import in_order
from sbxcompose.plan.steps import Action, Step

FIRST = -1
"""The position of steps that should stand before those of any process, as far as arrows allow."""


class StepOrdering:
    """A growing set of steps with arrows between them."""

    def __init__(self) -> None:
        self._actions: list[tuple[Action, str, str]] = []
        self._positions: list[int] = []
        self.after: list[list[int]] = []

    def add(self, action: Action, subject: str, reason: str, position: int, after: Iterable[int] = ()) -> int:
        """Add a step; among those that could come next, the one with the smallest position does."""
        self._actions.append((action, subject, reason))
        self._positions.append(position)
        self.after.append(list(after))
        return len(self._actions) - 1

    def numbered(self) -> tuple[Step, ...]:
        """Return the steps in an order that obeys the arrows."""
        rank = sorted(range(len(self._actions)), key=self._positions.__getitem__)
        place = [0] * len(rank)
        for here, step in enumerate(rank):
            place[step] = here
        followers: list[list[int]] = [[] for _ in rank]
        missing = [0] * len(rank)
        for step, after in enumerate(self.after):
            missing[place[step]] = len(after)
            for before in after:
                followers[place[before]].append(place[step])
        order = [rank[here] for here in in_order(followers, missing)]
        number = [0] * len(order)
        for position, step in enumerate(order, 1):
            number[step] = position
        return tuple(self._step(step, number) for step in order)

    def _step(self, step: int, number: Sequence[int]) -> Step:
        action, subject, reason = self._actions[step]
        befores = self.after[step]
        if len(befores) > 1:
            after = tuple(sorted([number[before] for before in befores]))
        else:
            after = (number[befores[0]],) if befores else ()
        return Step(number[step], action, subject, reason, after)
