from __future__ import annotations

from sbxcompose.spec.project import Process, Project, RestartPolicy
from sbxcompose.spec.sources import Content
from tests.support.spec_files import load, mistakes


def read(text: str, environ: dict[str, str] | None = None, **more: Content | str) -> Project:
    return load(None, environ or {}, {"Procfile": text, **{f".{name}": each for name, each in more.items()}})


def ports(process: Process) -> list[str]:
    return [value for pairs in process.replica_env for _, value in pairs]


def test_each_line_is_a_process_of_main() -> None:
    project = read("# ours\nweb: bundle exec $PORT ${X:-y}\n\nworker:work  \r\nlog:\ttail -f\n")
    (main,) = project.sandboxes
    assert main.name == "main"
    assert [(each.name, each.command) for each in main.processes] == [
        ("web", ("sh", "-c", "bundle exec $PORT ${X:-y}")),
        ("worker", ("sh", "-c", "work")),
        ("log", ("sh", "-c", "tail -f")),
    ]
    assert {each.restart.policy for each in main.processes} == {RestartPolicy.NEVER}


def test_ports_go_up_by_100_a_process_and_1_a_replica() -> None:
    project = load(None, {}, {"Procfile": "web: a\nworker: b\nlog: c"}, scale={"worker": 3})
    assert [ports(each) for each in project.processes()] == [["5000"], ["5100", "5101", "5102"], ["5200"]]


def test_the_first_port_can_be_given() -> None:
    (web, log) = read("web: a\nlog: b", {"PORT": "3000"}).processes()
    assert (ports(web), ports(log)) == (["3000"], ["3100"])
    assert ports(next(read("web: a", {"PORT": "3000"}, env="PORT=4000").processes())) == ["4000"]
    assert ports(next(read("web: a", {"PORT": "none"}).processes())) == ["5000"]


def test_dotenv_is_handed_to_the_processes() -> None:
    (web,) = read("web: a", {}, env="A=1\nPORT=4000").processes()
    assert web.env == (("A", "1"),)


def test_the_port_is_part_of_the_digest_but_more_replicas_are_not() -> None:
    text = "web: a\nlog: a"
    web, log = load(None, {}, {"Procfile": text}).processes()
    assert web.digest != log.digest
    assert next(load(None, {}, {"Procfile": text}, scale={"web": 2}).processes()).digest == web.digest


def test_an_override_may_add_what_a_procfile_cannot_say() -> None:
    over = "processes: {web: {restart: always, env: {PORT: 80}}}"
    (web,) = load(None, {}, {"Procfile": "web: a", "sbxcompose.override.yaml": over}).processes()
    assert (web.restart.policy, web.env, web.replica_env) == (RestartPolicy.ALWAYS, (("PORT", "80"),), ())


def test_a_procfile_of_another_name() -> None:
    (web,) = load(None, {}, {"Procfile.dev": "web: a"}, named=("Procfile.dev",)).processes()
    assert web.command[2] == "a"


def test_mistakes_have_their_lines() -> None:
    text = "web: a\nnothing\nweb: b\nlog:\n-x: c\n"
    assert mistakes(None, {}, {"Procfile": text}) == [
        "Procfile:2:1: a line must be `name: command`",
        "Procfile:3:1: the process `web` is given twice",
        "Procfile:4:5: the command is empty",
        "Procfile:5:1: `-x` cannot be a name",
    ]
    assert mistakes(None, {}, {"Procfile": "# nothing\n"}) == [
        "Procfile:1:1: the file defines neither `sandboxes` nor `processes`"
    ]
