"""Freezing by the groups of each version that this machine has; the keeper itself takes the first that will do."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Collection, Iterator
from contextlib import suppress

import pytest

from sbxcompose.host.keeper import escaped
from sbxcompose.host.keeper import freezer as freezer_module
from sbxcompose.host.keeper.census import Census
from sbxcompose.host.keeper.cgroups import places
from sbxcompose.host.keeper.freezer import Freezer
from sbxcompose.host.keeper.unit import Unit
from tests.live.keeper.test_keeper_freezing import SPIN, rest, spent
from tests.support.waiting import until

FAMILY = f"sh -c '{SPIN}' & echo $!; {SPIN}"


@pytest.fixture(params=places("freezer") or ["none"])
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    """A directory for groups, in each hierarchy; the test is skipped where none can be made."""
    path = f"{request.param}/sbxcompose-test-{os.getpid()}"
    try:
        os.mkdir(path)
    except OSError as error:
        pytest.skip(f"no control groups: {error.strerror}")
    yield path
    Freezer([path]).clear()
    assert not os.path.exists(path)


@pytest.fixture
def pids() -> Iterator[list[int]]:
    """A shell and its child, which compute: they lead a group of their own."""
    with subprocess.Popen(["sh", "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        yield [leader.pid, int(leader.stdout.readline())]
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)


def frozen(base: str, pids: list[int]) -> tuple[Freezer, Unit]:
    freezer, unit = Freezer([base]), Unit("a.1", pids[0], 0.0, "{}")
    freezer.freeze([unit], [unit])
    assert unit.frozen == f"{base}/unit-a.1"
    return freezer, unit


def test_all_are_frozen_and_continue(base: str, pids: list[int]) -> None:
    freezer, unit = frozen(base, pids)
    assert rest(pids)
    freezer.thaw(unit)
    before = {pid: spent(pid) for pid in pids}
    until(lambda: all(spent(item) != begun for item, begun in before.items()))


def test_the_next_keeper_thaws_what_this_one_has_frozen(base: str, pids: list[int]) -> None:
    _, unit = frozen(base, pids)
    successor = Unit.handed_over(unit.describe(), {})
    Freezer([base]).thaw(successor)
    assert not successor.frozen
    os.killpg(pids[0], signal.SIGKILL)
    os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)


def test_what_is_left_frozen_is_killed_and_its_group_removed(base: str, pids: list[int]) -> None:
    frozen(base, pids)
    assert Freezer([base]).clear() == sorted(pids)
    os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)


def test_where_no_group_can_be_made_signals_do(pids: list[int]) -> None:
    freezer, unit = Freezer(["/proc/no/such/place"]), Unit("a.1", pids[0], 0.0, "{}")
    freezer.freeze([unit], [unit])
    assert isinstance(unit.frozen, list)
    assert {pid for pid, _ in unit.frozen} == set(pids)
    assert rest(pids)
    freezer.thaw(unit)


def test_a_leader_that_has_just_ended_costs_no_more_looks_at_the_machine(
    base: str, pids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel moves no process that has ended, and reports none of that."""
    os.kill(pids[0], signal.SIGKILL)
    os.waitid(os.P_PID, pids[0], os.WEXITED | os.WNOWAIT)
    looks = 0

    def census(units: Collection[Unit]) -> Census:
        nonlocal looks
        looks += 1
        return escaped.census(units)

    monkeypatch.setattr(freezer_module, "census", census)
    freezer, unit = frozen(base, pids)
    assert looks <= 4
    freezer.thaw(unit)
