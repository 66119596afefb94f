from __future__ import annotations

import pytest

from sbxcompose.errors import InvalidSpec, SpecError
from sbxcompose.spec.models import ProjectModel
from sbxcompose.spec.procfile import _DESCRIBES, is_procfile
from sbxcompose.spec.project import Process, Project, RestartPolicy
from sbxcompose.spec.sources import SourceContent
from tests.support.cases import each_case
from tests.support.spec_files import load, mistakes


def read(text: str, environ: dict[str, str] | None = None, **more: SourceContent | str) -> Project:
    return load(None, environ or {}, {"Procfile": text, **{f".{name}": item for name, item in more.items()}})


def ports(process: Process) -> list[str]:
    return [value for pairs in process.replica_env for _, value in pairs]


def test_each_line_is_a_process_of_main() -> None:
    project = read("# ours\nweb: bundle exec $PORT ${X:-y}\n\nworker:work  \r\nlog:\ttail -f\n")
    (main,) = project.sandboxes
    assert main.name == "main"
    assert [(process.name, process.command) for process in main.processes] == [
        ("web", ("sh", "-c", "bundle exec $PORT ${X:-y}")),
        ("worker", ("sh", "-c", "work")),
        ("log", ("sh", "-c", "tail -f")),
    ]
    assert {process.restart.policy for process in main.processes} == {RestartPolicy.NEVER}


def test_ports_go_up_by_100_a_process_and_1_a_replica() -> None:
    project = load(None, {}, {"Procfile": "web: a\nworker: b\nlog: c"}, scale={"worker": 3})
    assert [ports(process) for process in project.processes()] == [["5000"], ["5100", "5101", "5102"], ["5200"]]


def test_the_first_port_can_be_given() -> None:
    (web, log) = read("web: a\nlog: b", {"PORT": "3000"}).processes()
    assert (ports(web), ports(log)) == (["3000"], ["3100"])
    assert ports(next(read("web: a", {"PORT": ""}, env="PORT=4000").processes())) == ["4000"]
    assert ports(next(read("web: a", {"PORT": "3000"}, env="PORT=4000").processes())) == ["3000"]


@pytest.mark.parametrize(
    "environ,dotenv,place",
    [({"PORT": "abc"}, "", "the environment"), ({}, "PORT=0", "`.env`"), ({"PORT": "70000"}, "PORT=1", "the env")],
)
def test_an_invalid_first_port(environ: dict[str, str], dotenv: str, place: str) -> None:
    with pytest.raises(SpecError, match=r"invalid PORT `.*`; expected 1 to 65535") as caught:
        read("web: a", environ, env=dotenv)
    assert place in (caught.value.hint or "")


def test_a_process_for_which_no_port_is_left_has_none() -> None:
    text = "".join(f"p{number}: a\n" for number in range(1, 1001))
    found = [ports(process) for process in load(None, {}, {"Procfile": text}, scale={"p606": 50}).processes()]
    assert found[604] == ["65400"]
    assert found[605] == [str(port) for port in range(65500, 65536)]
    assert not any(found[606:])


def test_dotenv_is_handed_to_the_processes() -> None:
    (web,) = read("web: a", {}, env="A=1\nPORT=4000").processes()
    assert web.env == (("A", "1"),)


def test_the_callers_environment_beats_dotenv() -> None:
    (web,) = read("web: a", {"A": "caller", "C": "3"}, env="A=file\nB=2").processes()
    assert web.env == (("A", "caller"), ("B", "2"))


def test_dotenv_beside_a_procfile_is_literal() -> None:
    (web,) = read("web: a", {"HOME": "/h"}, env='A=pa$$word\nB="$HOME ${X:-y} \\$"\nC=`x`').processes()
    assert web.env == (("A", "pa$$word"), ("B", "$HOME ${X:-y} $"), ("C", "`x`"))


def test_standard_input_stays_open() -> None:
    (web,) = read("web: cat").processes()
    assert web.stdin == "pipe"


@each_case(
    "name,text,expected",
    [
        ("Procfile", "web: a", True),
        ("Procfile.dev", "nonsense", True),
        ("dev.Procfile", "web: a", True),
        ("Procfile.yaml", "web: a", True),
        ("Procfile.yaml", "processes:\n  web: {command: a}", False),
        ("Procfile", "processes: {web: {command: a}}", False),
        ("Procfile", "processes: ./run\nservices: ./serve", True),
        ("procs", "# mine\nweb: a\nworker:b --x y: z\n", True),
        ("", "web: a", True),
        ("passwd", "root:x:0:0:root:/root:/bin/bash\nmail:x:8:8:The mail:/var/mail:/bin/false\n", False),
        ("procs", "web:run\nworker: run", True),
        ("Procfile", "web:run", True),
        ("nsswitch.conf", "passwd:  files\ngroup:  files\n", False),
        ("", "name: shop\ninclude: base.yaml", False),
        ("", "web:\n  command: a", False),
        ("", "", False),
        ("dev.yaml", "web: a", False),
        ("sbxcompose.yaml", "wbe: a", False),
    ],
)
def test_a_procfile_is_recognised_by_what_it_holds(name: str, text: str, expected: bool) -> None:
    assert is_procfile(name, text) is expected


def test_the_keys_that_may_stand_alone_are_those_of_the_models() -> None:
    keys = {info.alias or name for name, info in ProjectModel.model_fields.items()}
    assert keys - _DESCRIBES == {"sandboxes", "processes"}


def test_a_procfile_on_standard_input_is_read_once() -> None:
    contents = iter([b"web: a"])
    (web,) = load(None, {}, {".env": "A=$x"}, named=("-",), stdin=lambda: next(contents)).processes()
    assert (web.command[2], web.env) == ("a", (("A", "$x"),))


def test_all_scales_every_process_that_is_not_named() -> None:
    project = load(None, {}, {"Procfile": "web: a\nlog: b"}, scale={"log": 3, "all": 2})
    assert [process.replicas for process in project.processes()] == [2, 3]
    over = "processes: {debug: {command: x, autostart: false}}"
    project = load(None, {}, {"Procfile": "web: a", "sbxcompose.override.yaml": over}, scale={"all": 2})
    assert [process.name for process in project.processes()] == ["web"]
    project = load(None, {}, {"Procfile": "web: a\nall: b"}, scale={"all": 2})
    assert [process.replicas for process in project.processes()] == [1, 2]


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
    assert mistakes(None, {}, {"Procfile": "api.v1: a\n  web: b\nmy web: c\nexport A=b\nA=b:c\n// x"}) == [
        "Procfile:1:1: `api.v1` cannot be a name",
        "Procfile:2:1: a line must begin with the process's name",
        "Procfile:3:1: `my web` cannot be a name",
        "Procfile:4:1: a variable is set here, and a line must be `name: command`",
        "Procfile:5:1: a variable is set here, and a line must be `name: command`",
        "Procfile:6:1: a line must be `name: command`",
    ]
    hint = "names have letters, digits, `-` and `_`: `api-v1: a`"
    with pytest.raises(InvalidSpec) as caught:
        read("api.v1: a")
    assert caught.value.mistakes[0].hint == hint
    assert mistakes(None, {}, {"Procfile": "# nothing\n"}) == ["Procfile:1:1: the file defines no process"]
