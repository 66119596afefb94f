from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.client.process_state import ProcessState
from sbxcompose.client.process_status import process_status, state_of
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase, StartFailure
from sbxcompose.spec.project import Process, ReadyLine
from tests.support.cases import each_case

WEB = Instance("main", "web", 2)
PROCESS = Process("main", "web", ("serve",), "3f2a9c1d", port=8000, description="the site", labels=(("team", "shop"),))
ROW = ObservedRow(WEB, "3f2a9c1d", "web.2.3f2a9c1d", Phase.RUNNING, pid=7, run=3, restarts=2, started_at=5.0)
ENTRY = ListedInstance(WEB, "web.2", PROCESS, ROW)
READY_WHEN = replace(PROCESS, ready_when=ReadyLine("up"))
FAILURE = StartFailure(WEB, "3f2a9c1d", ("serve",), None, "no such file: hunter2", 1.0)
FAILED_RUN = replace(ROW, phase=Phase.EXITED, pid=None, exit=Exit(code=3, at=9.0))


@each_case(
    "entry, state",
    [
        (replace(ENTRY, row=None), "not started"),
        (replace(ENTRY, row=None, asleep=True), "suspended"),
        (replace(ENTRY, row=None, failure=FAILURE), "failed to start"),
        (replace(ENTRY, failure=FAILURE), "running"),
        (ENTRY, "running"),
        (replace(ENTRY, row=replace(ROW, has_health_check=True)), "healthy"),
        (replace(ENTRY, row=replace(ROW, has_health_check=True, phase=Phase.STARTING)), "starting"),
        (replace(ENTRY, row=replace(ROW, has_health_check=True, phase=Phase.UNHEALTHY)), "unhealthy"),
        (replace(ENTRY, process=READY_WHEN, ready=True), "ready"),
        (replace(ENTRY, process=READY_WHEN, ready=False), "starting"),
        (replace(ENTRY, process=READY_WHEN, ready=None), "running"),
        (replace(ENTRY, row=replace(ROW, phase=Phase.BACKING_OFF)), "backing off"),
        (replace(ENTRY, row=replace(ROW, phase=Phase.STOPPED)), "stopped"),
        (replace(ENTRY, row=FAILED_RUN), "exited"),
        (replace(ENTRY, row=replace(FAILED_RUN, exit=Exit(code=0), one_shot=True)), "completed"),
    ],
)
def test_every_state_has_a_word(entry: ListedInstance, state: str) -> None:
    assert state_of(entry) == state
    assert state_of(entry) is ProcessState(state)


def test_a_status_is_what_is_known_of_the_instance() -> None:
    status = process_status(replace(ENTRY, row=replace(ROW, has_health_check=True), ready=True), str)
    assert (status.name, status.process, status.replica, status.pid) == ("web.2", "web", 2, 7)
    assert (status.run, status.restarts, status.started_at) == (3, 2, 5.0)
    assert (status.ready, status.health, status.running) == (True, "healthy", True)
    assert (status.port, status.description, status.outdated, status.orphan) == (8001, "the site", False, False)
    assert status.labels == {"team": "shop"}


def test_the_end_of_the_latest_run_is_reported() -> None:
    status = process_status(replace(ENTRY, row=FAILED_RUN), str)
    assert (status.exit_code, status.exit_signal, status.exited_at, status.running) == (3, None, 9.0, False)


def test_secrets_are_masked() -> None:
    entry = replace(ENTRY, row=replace(FAILED_RUN, command=("login", "hunter2")), failure=FAILURE)
    status = process_status(entry, lambda text: text.replace("hunter2", "***"))
    assert status.command == ("login", "***")
    assert status.last_error == "no such file: ***"


def test_what_the_file_does_not_define_is_an_orphan() -> None:
    status = process_status(replace(ENTRY, process=None), str)
    assert status.orphan
    assert (status.port, status.wanted_digest) == (None, None)
