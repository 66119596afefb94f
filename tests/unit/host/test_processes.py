"""The table of rows: whom a PID means when it was given again, and which rows are kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from msgspec.structs import replace

from sbxcompose.api.models import LastExit, StartRequest
from sbxcompose.host.keeper.client import KeeperClient
from sbxcompose.host.supervise.process import SupervisedProcess
from sbxcompose.host.supervise.processes import Processes
from sbxcompose.host.supervise.records import Records
from sbxcompose.host.supervise.retention import KEPT_UNNAMED
from sbxcompose.host.supervise.state import ProcessRecord, Run, Stopped
from sbxcompose.tasks import TaskOwner

NO_KEEPER = cast(KeeperClient, SimpleNamespace(tasks=TaskOwner(), identity="keeper"))
"""Nothing is started here."""


def ended(number: int, pid: int, *, handle: int | None = None, name: str | None = None) -> ProcessRecord:
    """A row that has come to rest."""
    run = Run(handle or number, pid, 1, 1_000, LastExit(exit_code=0, ended_at=2_000))
    request = StartRequest(command="x", name=name)
    return ProcessRecord(number, request, f"@{number}", 0, Stopped(0), run=run, runs=[[1, 1]])


def loaded(directory: Path, *records: ProcessRecord) -> Processes:
    """Processes with these rows."""
    for record in records:
        Records(directory / "processes").save(record)
    processes = Processes("box", directory, None, NO_KEEPER)
    processes.load()
    return processes


def number_of(processes: Processes, process: str) -> int | None:
    found = processes.find(process)
    return None if found is None else found.record.id


def test_a_pid_means_the_latest_run_that_has_had_it(tmp_path: Path) -> None:
    processes = loaded(tmp_path, ended(1, 100, handle=9, name="old"), ended(2, 100, handle=5, name="new"))
    assert number_of(processes, "100") == 1
    older = processes.find("new")
    assert older is not None
    processes.changed(older)
    assert number_of(processes, "100") == 1


def test_a_former_pid_of_a_restarted_row_finds_nothing(tmp_path: Path) -> None:
    processes = loaded(tmp_path, ended(1, 100, name="web"))
    web = processes.find("web")
    assert web is not None
    web.record = replace(web.record, run=Run(2, 200, 2, 3_000, LastExit(exit_code=0, ended_at=4_000)))
    processes.changed(web, 1)
    assert number_of(processes, "200") == 1
    assert number_of(processes, "100") is None


def test_a_row_is_kept_until_the_last_of_its_readers_has_gone(tmp_path: Path) -> None:
    processes = loaded(tmp_path, *(ended(number, 1_000 + number) for number in range(1, KEPT_UNNAMED + 2)))
    rows = [process for process in processes.rows() if isinstance(process, SupervisedProcess)]
    oldest, newest = rows[0], rows[-1]
    for row in [*rows, oldest]:
        row.hold()
    processes.changed(newest)
    oldest.release()
    assert processes.rows() == rows
    oldest.release()
    assert processes.rows() == rows[1:]
    assert number_of(processes, "1001") is None
