"""What was killed is waited for as long as it may only be waiting for its turn."""

from __future__ import annotations

from typing import cast

import pytest

from sbxcompose.host.keeper import termination
from sbxcompose.host.keeper.freezer import Freezer
from sbxcompose.host.keeper.loop import Loop
from sbxcompose.host.keeper.patience import is_over
from sbxcompose.host.keeper.termination import POLL_INTERVAL, Termination
from sbxcompose.host.keeper.unit import Unit
from tests.support.cases import each_case


@each_case(
    "waited, starved, over",
    [(0.0, False, False), (1.9, False, False), (2.0, False, True), (2.0, True, False), (19.9, True, False),
     (20.0, True, True)],
)  # fmt: skip
def test_what_is_ready_to_run_is_waited_for_longer(waited: float, starved: bool, over: bool) -> None:
    assert is_over(waited, lambda: starved) is over


@pytest.mark.parametrize("starved_until, gives_up_at", [(0.0, 2.0), (7.0, 7.0), (99.0, 20.0)])
def test_a_unit_is_given_up_once_what_it_left_behind_has_had_its_turn(
    starved_until: float, gives_up_at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(termination, "monotonic", lambda: now)
    monkeypatch.setattr(termination, "is_starved", lambda processes: now < 1000 + starved_until)
    unit = Unit("web", 1, 0.0, "")
    unit.clean_up.killed_at = now
    tested = Termination(cast(Loop, None), cast(Freezer, None), lambda unit: None)
    while not tested.has_failed(unit):
        assert unit.deadline == now + POLL_INTERVAL
        now = unit.deadline
    assert now == 1000 + gives_up_at
