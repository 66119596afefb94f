"""How often notifications are read: no less often than the debounce of what is watched."""

from __future__ import annotations

from sbxcompose.watch.rules import Root
from sbxcompose.watch.watcher import SHORTEST_STEP, STEP, step_of
from tests.support.cases import each_case


@each_case(
    "debounces,step",
    [
        ([0.05], STEP),
        ([1.0, 5.0], STEP),
        ([1.0, 0.02], 0.02),
        ([0.005], 0.005),
        ([0.001, 0.05], SHORTEST_STEP),
        ([0.0], SHORTEST_STEP),
    ],
)
def test_the_shortest_debounce_says_how_often_changes_are_read(debounces: list[float], step: float) -> None:
    assert step_of(Root(f"/src/{number}", debounce=debounce) for number, debounce in enumerate(debounces)) == step
