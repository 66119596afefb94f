from __future__ import annotations

from sbxcompose.spec.project import Process, StopPolicy
from tests.support.cases import each_case
from tests.support.spec_files import hints, load, mistakes

TEXT = """
processes:
  base: {command: run, env: {A: 1, B: 2}, stop: {signal: INT}, depends_on: [db], profiles: [never]}
  web: {extends: base, env: {B: 3, C: "$X"}, depends_on: {cache: started}, profiles: }
  worker: {extends: web, command: work, env: [A=4]}
  db: {command: db}
  cache: {command: cache}
"""


def all_of(text: str) -> dict[str, Process]:
    return {item.name: item for item in load(text, {"X": "x"}).every_process()}


def test_a_process_is_laid_over_the_one_that_it_extends() -> None:
    found = all_of(TEXT)
    web, worker = found["web"], found["worker"]
    assert web.command == found["base"].command == ("sh", "-c", "run")
    assert dict(web.env) == {"A": "1", "B": "3", "C": "x"}
    assert web.stop == StopPolicy(signal=2)
    assert [item.process for item in web.depends_on] == ["cache"]
    assert (web.profiles, found["base"].profiles) == ((), ("never",))
    assert worker.command == ("sh", "-c", "work")
    assert dict(worker.env) == {"A": "4", "B": "3", "C": "x"}


def test_it_is_as_if_it_were_written_out() -> None:
    long = "processes: {a: {command: x, replicas: 2}, b: {command: x, replicas: 3}}"
    short = "processes: {b: {extends: a, replicas: 3}, a: {command: x, replicas: 2}}"
    assert all_of(long)["b"] == all_of(short)["b"]


def test_across_sandboxes_and_files() -> None:
    text = """
include: base.yaml
processes: {web: {extends: common}}
sandboxes:
  main: {env: {A: 1}}
  other: {processes: {web: {extends: main/web, replicas: 2}, log: {extends: web}}}
"""
    files = {"base.yaml": "processes: {common: {command: c}}"}
    found = [
        (process.sandbox, process.name, process.command[2], process.replicas)
        for process in load(text, {}, files).processes()
    ]
    assert sorted(found) == [
        ("main", "common", "c", 1),
        ("main", "web", "c", 1),
        ("other", "log", "c", 2),
        ("other", "web", "c", 2),
    ]


def test_a_process_of_a_procfile() -> None:
    over = "processes: {worker: {extends: web, command: 'work ${N:-1}'}}"
    project = load(None, {}, {"Procfile": "web: serve $PORT", "sbxcompose.override.yaml": over})
    web, worker = project.processes()
    assert (worker.restart, worker.stdin, worker.command[2]) == (web.restart, "pipe", "work 1")


@each_case(
    "text,mistake,hint",
    [
        (
            "processes: {web: {extends: wbe2}, web2: {command: x}}",
            "1:28: no process is named `wbe2`",
            "did you mean `web2`?",
        ),
        ("processes: {web: {command: x, extends: web}}", "1:40: cycle of `extends`: web -> web", None),
        (
            "processes: {a: {extends: b, command: x}, b: {extends: a, command: x}}",
            "1:55: cycle of `extends`: a -> b -> a",
            None,
        ),
        (
            "processes: {web: {command: x, extends: {service: base, file: c.yaml}}}",
            "1:40: `extends` must be the name of a process",
            "write `include: c.yaml` at the top, and here `extends: base`",
        ),
        ("processes: {web: {command: x, extends: [a]}}", "1:40: `extends` must be the name of a process", None),
    ],
)
def test_what_cannot_be_extended(text: str, mistake: str, hint: str | None) -> None:
    assert mistake in mistakes(text)
    assert hint in hints(text)


def test_a_mistake_below_is_reported_once_and_at_its_place() -> None:
    text = "processes:\n  a: {command: x, replicas: many}\n  b: {extends: a}\n  c: {extends: a}"
    assert mistakes(text) == ["2:29: `replicas` must be a whole number, not `many`"]
