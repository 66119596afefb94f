"""What a command does about one process costs the same however many the project has: operations are counted."""

from __future__ import annotations

from collections.abc import Callable

from sbxcompose.api.models import ManagedInfo, ProcessInfo, RestartConfig
from sbxcompose.clock import SteadyClock
from sbxcompose.engine.known_rows import KnownRows
from sbxcompose.engine.requests import base_environment, command_request, start_request
from sbxcompose.names import parse_name
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Process, Project, Sandbox
from tests.support.cases import each_case
from tests.support.counting import lines

FEW, MANY = 10, 500


def project(count: int) -> Project:
    """Return a project of so many sandboxes of one process, the last of which is asked about."""
    made = [(f"s{number}", Process(f"s{number}", "p", ("true",), "12345678")) for number in range(count)]
    return Project("many", "/many", "local", tuple(Sandbox(name, name, (process,)) for name, process in made))


@each_case(
    "ask",
    [
        lambda project, process: project.process(process.sandbox, process.name),
        lambda project, process: project.provider_of(process.sandbox),
        lambda project, process: project.successes(process.sandbox),
        lambda project, process: base_environment(process, project, {}),
        lambda project, process: start_request(project, process, Instance(process.sandbox, "p"), "p.12345678"),
        lambda project, process: command_request(project, process, Instance(process.sandbox, "p"), ("true",)),
    ],
    ids=["process", "provider", "exit codes", "environment", "start", "command"],
)
def test_one_of_many_processes_costs_what_one_of_few_does(ask: Callable[[Project, Process], object]) -> None:
    def counted(count: int) -> int:
        many = project(count)
        last = many.sandboxes[-1].processes[0]
        ask(many, last)  # what is made once for the project is
        return lines(lambda: ask(many, last))

    assert counted(FEW) == counted(MANY)


def test_a_project_finds_what_it_has() -> None:
    some = project(3)
    assert some.process("s1", "p") is some.sandboxes[1].processes[0]
    assert (some.process("s1", "q"), some.process("s9", "p"), some.sandbox("s9")) == (None, None, None)
    assert some.sandbox_of(some.sandboxes[2].processes[0]) is some.sandboxes[2]


def row(number: int, handle: int) -> ProcessInfo:
    always = RestartConfig(policy="always")
    managed = ManagedInfo(id="x", name=f"p{number}.12345678", status="running", restart_count=0, restart=always)
    return ProcessInfo(pid=1, handle=handle, status="running", command="true", started_at=1, managed=managed)


class SeenRows(KnownRows):
    """Rows that are told here."""

    def __init__(self, *infos: ProcessInfo) -> None:
        super().__init__("main", SteadyClock())
        for info in infos:
            self._update(info)

    def see(self, info: ProcessInfo) -> None:
        self._update(info)

    def drop(self, handle: int) -> None:
        self._drop_handle(handle)


def test_a_row_that_is_dropped_from_many_costs_the_same() -> None:
    def drop(count: int) -> int:
        rows = SeenRows(*(row(number, number + 1) for number in range(count)))
        counted = lines(lambda: rows.drop(1))
        assert len(rows.keys()) == count - 1
        return counted

    assert drop(FEW) == drop(MANY)


def test_a_handle_that_a_row_had_before_drops_nothing() -> None:
    rows = SeenRows(row(1, 1), row(2, 2))
    rows.see(row(1, 3))
    rows.drop(1)
    rows.drop(2)
    rows.drop(2)
    assert rows.keys() == {"p1.12345678"}
    rows.drop(3)
    assert not rows.keys()


def test_a_change_of_a_row_parses_no_name_anew() -> None:
    rows = SeenRows(row(1, 1))
    parsed = parse_name.cache_info().misses
    rows.see(row(1, 2))
    rows.drop(2)
    assert parse_name.cache_info().misses == parsed
