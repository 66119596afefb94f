"""What is remembered of a row survives a writer that was killed, and a disk that was full."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from sbxcompose.api.models import HealthCheckConfig, LastExit, RestartConfig, StartRequest
from sbxcompose.host.supervise import records as module
from sbxcompose.host.supervise.health import Health
from sbxcompose.host.supervise.records import Records
from sbxcompose.host.supervise.restart import RestartHistory
from sbxcompose.host.supervise.state import (
    BackingOff,
    ProcessRecord,
    ProcessState,
    RequestedStop,
    Run,
    Running,
    Starting,
    Stopped,
    exit_of,
)
from tests.support.cases import each_case

REQUEST = StartRequest(
    command="x",
    env={"SECRET": "\udcff"},
    restart=RestartConfig(policy="always"),
    health_check=HealthCheckConfig(type="tcp", port=1),
    name="web",
)
RUN = Run(7, 4711, 3, 1_000, LastExit(signal=9, ended_at=2_000), stdin_open=True)


def whole(state: ProcessState) -> ProcessRecord:
    """A record with something in every field."""
    return ProcessRecord(
        id=1,
        request=REQUEST,
        log="web.1",
        first_position=17,
        state=state,
        run=RUN,
        runs=[[1, 3]],
        restarts=2,
        tally=RestartHistory(2, 1),
        health=Health("starting", 1, 2, "refused"),
        last_exit=LastExit(exit_code=1, ended_at=3),
        last_error="gave up",
        attached=True,
    )


@pytest.mark.parametrize(
    "state",
    [
        Starting(8),
        Starting(8, RequestedStop("stop", 15, 99)),
        Running(),
        Running(RequestedStop("stop", 15, 99)),
        BackingOff(5),
        Stopped(44, requested=True),
    ],
    ids=lambda state: type(state).__name__,
)
def test_a_record_is_read_as_it_was_written(tmp_path: Path, state: ProcessState) -> None:
    Records(tmp_path).save(whole(state))
    assert list(Records(tmp_path).load()) == [whole(state)]


def test_the_last_change_holds(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for until in range(5):
        records.save(whole(BackingOff(until)))
    assert [record.state for record in Records(tmp_path).load()] == [BackingOff(4)]


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_change_that_was_cut_short_is_as_good_as_not_made(tmp_path: Path, cut: int) -> None:
    records = Records(tmp_path)
    records.save(whole(BackingOff(1)))
    records.save(whole(BackingOff(2)))
    path = tmp_path / "1.json"
    path.write_bytes(path.read_bytes()[:-cut])
    again = Records(tmp_path)
    assert [record.state for record in again.load()] == [BackingOff(1)]
    again.save(whole(BackingOff(3)))
    assert [record.state for record in Records(tmp_path).load()] == [BackingOff(3)]


def test_a_journal_does_not_grow_forever(tmp_path: Path) -> None:
    records = Records(tmp_path)
    sizes = []
    for until in range(500):
        records.save(whole(BackingOff(until)))
        sizes.append((tmp_path / "1.json").stat().st_size)
    assert max(sizes) < module.COMPACT + 2_000
    assert [record.state for record in Records(tmp_path).load()] == [BackingOff(499)]


def test_records_come_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for number in (10, 2, 1):
        records.save(replace(whole(Running()), id=number))
    assert [record.id for record in Records(tmp_path).load()] == [1, 2, 10]


def test_junk_is_passed_over(tmp_path: Path) -> None:
    for name, text in (
        ("3.json", "{"),
        ("4.json", '{"id": 4}'),
        ("5.json", ""),
        ("x.json", "{}"),
        ("6.json~", "{}"),
    ):
        (tmp_path / name).write_text(text)
    assert list(Records(tmp_path).load()) == []


def test_a_removed_record_is_gone_and_removing_it_again_is_fine(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.save(whole(Running()))
    records.remove(whole(Running()))
    records.remove(whole(Running()))
    assert list(Records(tmp_path).load()) == []


def test_records_are_the_users_alone(tmp_path: Path) -> None:
    records = Records(tmp_path / "deep" / "down")
    records.save(whole(Running()))
    modes = [item.stat().st_mode & 0o777 for item in (tmp_path / "deep" / "down", tmp_path / "deep/down/1.json")]
    assert modes == [0o700, 0o600]


@each_case("status, code, signal", [(0, 0, None), (3 << 8, 3, None), (9, None, 9), (None, None, None)])
def test_an_end_has_a_code_or_a_signal_or_is_unknown(status: int | None, code: int | None, signal: int | None) -> None:
    assert exit_of(status, 5) == LastExit(exit_code=code, signal=signal, ended_at=5)
