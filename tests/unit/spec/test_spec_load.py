from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

import pytest

from sbxcompose.errors import InvalidSpec, SpecNotFound, UnknownName, UsageError
from sbxcompose.spec.build import place_of
from sbxcompose.spec.machine import Files, FileSystem, Network, Resources
from sbxcompose.spec.project import (
    Condition,
    Dependency,
    HealthCheck,
    ReadyCommand,
    ReadyLine,
    Restart,
    RestartPolicy,
    StopPolicy,
    WatchRule,
)
from tests.support.cases import each_case
from tests.support.spec_files import FOLDER, load, mistakes, process, web

DESIGN = """
name: shop
provider: local
sandboxes:
  app:
    image: ubuntu
    resources: {cpus: 2, memory: 2gb}
    ports: [8080]
    env: {MODE: dev}
    workspace: /workspace
    files:
      - {from: ., to: ., ignore: [node_modules]}
    setup: ["pip install -r requirements.txt"]
    processes:
      db:
        command: ["postgres", "-D", "data"]
        health_check: {tcp: 5432, interval: 1s}
      migrate:
        command: python manage.py migrate
        restart: never
        depends_on: [db]
      web:
        command: python -m http.server 8080
        user: "1000:1000"
        workdir: site
        env: {PORT: "8080"}
        replicas: 1
        restart: {policy: on_failure, max_restarts: 5, initial_backoff: 500ms, max_backoff: 30s}
        health_check: {http: {port: 8080, path: /healthz}, initial_delay: 5s, interval: 1s, timeout: 500ms}
        ready_when: {log: "Serving HTTP"}
        depends_on: {migrate: completed, db: ready}
        stop: {signal: SIGINT, grace: 10s}
        watch: [{path: site, action: restart, ignore: ["*.tmp"]}]
        profiles: [dev]
"""


def test_a_later_file_of_variables_sees_the_earlier_ones() -> None:
    files = {
        ".env": "A=dotenv\nROOT=/r",
        "base.env": "A=base\nURL=http://$HOST",
        "local.env": "B=${A}2\nC=$ROOT\nD=$WIDE\nE=$URL",
        "wide.env": "WIDE=${ROOT}/w",
    }
    text = "env_file: wide.env\nprocesses: {web: {command: x, env_file: [base.env, local.env]}}"
    found = dict(process(text, {"HOST": "h"}, files).env)
    assert (found["B"], found["C"], found["D"], found["E"]) == ("base2", "/r", "/r/w", "http://h")


def test_two_files_of_variables_on_the_command_line() -> None:
    files = {"a.env": "A=1\nB=$X", "b.env": "C=${A}${B}"}
    assert web("env: {V: $C}", {"X": "x"}, files, env_files=("a.env", "b.env")).env == (("V", "1x"),)


def test_a_missing_file_of_variables_is_reported_wherever_it_is_named() -> None:
    text = "processes:\n  a: {command: x, env_file: [no.env]}\n  b: {command: x, env_file: [no.env]}"
    assert mistakes(text) == ["2:30: the file `no.env` does not exist", "3:30: the file `no.env` does not exist"]


def test_the_environment_may_name_the_files() -> None:
    files = {"a.yaml": "processes: {web: {command: a}}", "sub/b.yaml": "processes: {web: {replicas: 2}}"}
    project = load("processes: {no: {command: x}}", {"SBXCOMPOSE_FILE": "a.yaml:sub/b.yaml"}, files)
    assert [(one_process.name, one_process.replicas) for one_process in project.processes()] == [("web", 2)]
    with pytest.raises(InvalidSpec) as caught:
        load(None, {"SBXCOMPOSE_FILE": "no.yaml"}, files)
    assert caught.value.mistakes[0].hint == "it is named in the variable `SBXCOMPOSE_FILE`"
    project = load(None, {"SBXCOMPOSE_FILE": "no.yaml"}, files, named=("a.yaml",))
    assert [one_process.name for one_process in project.processes()] == ["web"]


NAMED = {
    ".env": "A=outer\nSBXCOMPOSE_FILE=dev/a.yaml:dev/b.yaml\nSBXCOMPOSE_PROFILES=p",
    "dev/a.yaml": "processes: {web: {command: a, env: {V: '$A$B'}, profiles: [p]}, no: {command: x, profiles: [q]}}",
    "dev/b.yaml": "processes: {web: {replicas: 2}}",
    "dev/.env": "A=inner\nB=1",
    "other.yaml": "processes: {other: {command: x}}",
    "more.env": "SBXCOMPOSE_FILE=other.yaml",
}


def named_by_dotenv(environ: Mapping[str, str] | None = None, **request: Any) -> list[str]:
    project = load("processes: {usual: {command: x}}", environ, NAMED, **request)
    return [one_process.name for one_process in project.processes()]


def test_a_file_of_variables_may_name_the_files() -> None:
    project = load("processes: {usual: {command: x}}", {}, NAMED)
    (web,) = project.processes()
    assert (web.replicas, project.directory) == (2, f"{FOLDER}/dev")
    assert web.env == (("V", "outer1"),), "its own variables come first"
    assert named_by_dotenv(directory=f"{FOLDER}/sub/sub") == ["web"], "as a file of the project it is found from below"
    assert named_by_dotenv({"SBXCOMPOSE_FILE": "other.yaml"}) == ["other"], "the environment comes first"
    assert named_by_dotenv(named=("other.yaml",)) == ["other"]
    assert named_by_dotenv(env_files=("more.env",)) == ["other"]
    assert named_by_dotenv(env_files=("dev/.env",)) == ["usual"], "`.env` is not read then"
    nearer = {**NAMED, "sub/sbxcompose.yaml": "processes: {near: {command: x}}"}
    assert [one.name for one in load(None, {}, nearer, directory=f"{FOLDER}/sub").processes()] == ["near"]
    assert [one.name for one in load("processes: {usual: {command: x}}", {}, {".env": "SBXCOMPOSE_FILE="}).processes()]


def test_a_file_that_a_file_of_variables_names_and_that_is_not_there_is_reported_with_that() -> None:
    with pytest.raises(InvalidSpec) as caught:
        load("processes: {web: {command: x}}", {}, {".env": "SBXCOMPOSE_FILE=no.yaml"})
    (mistake,) = caught.value.mistakes
    assert (str(mistake), mistake.hint) == (
        "no.yaml: the file does not exist",
        "it is named in the variable `SBXCOMPOSE_FILE` of .env",
    )


def test_the_whole_of_a_file() -> None:
    project = load(DESIGN, profiles=("dev",))
    (app,) = project.sandboxes
    assert (project.name, project.provider, project.directory) == ("shop", "local", FOLDER)
    assert (app.full_name, app.image, app.workspace, app.ports) == ("shop-app", "ubuntu", "/workspace", (8080,))
    assert app.resources == Resources(2, 2 * 1024**3)
    assert app.files == (Files(".", ".", ("node_modules",)),)
    setup, db, migrate, web = app.processes
    first = Dependency("app", "@setup1", Condition.COMPLETED)
    assert (setup.name, setup.restart.policy, setup.depends_on) == ("@setup1", RestartPolicy.NEVER, ())
    assert (db.command, db.health_check) == (("postgres", "-D", "data"), HealthCheck("tcp", 5432))
    assert migrate.depends_on == (first, Dependency("app", "db"))
    assert web.command == ("sh", "-c", "python -m http.server 8080")
    assert web.env == (("MODE", "dev"), ("PORT", "8080"))
    assert (web.user, web.workdir, web.profiles) == ("1000:1000", "site", ("dev",))
    assert web.restart == Restart(RestartPolicy.ON_FAILURE, 5)
    assert web.health_check == HealthCheck("http", 8080, "/healthz")
    assert web.ready_when == ReadyLine("Serving HTTP")
    assert web.depends_on == (
        first,
        Dependency("app", "migrate", Condition.COMPLETED),
        Dependency("app", "db"),
    )
    assert web.stop == StopPolicy(2, 10)
    assert web.watch == (WatchRule("site", "restart", ("*.tmp",)),)


def test_cloud_keys() -> None:
    (app,) = load(
        "sandboxes: {app: {name: my-app, snapshot: s1, timeout: 10m, "
        "network: {allow_internet_access: false, allow_out: [10.0.0.0/8]}, "
        "file_systems: [{id: fs1, mount_path: /data, read_only: true}], files: [src]}}"
    ).sandboxes
    assert (app.full_name, app.snapshot, app.timeout) == ("my-app", "s1", 600)
    assert app.network == Network(False, ("10.0.0.0/8",))
    assert app.file_systems == (FileSystem("fs1", "/data", True),)
    assert app.files == (Files("src", "src"),)


def test_processes_at_the_top_are_those_of_main() -> None:
    short = load("processes: {web: {command: run}}", project_name="shop")
    long = load("sandboxes: {main: {processes: {web: {command: run}}}}", project_name="shop")
    assert short == long
    (main,) = load("sandboxes: {main: {image: x}}\nprocesses: {web: {command: run}}").sandboxes
    assert (main.image, [one_process.name for one_process in main.processes]) == ("x", ["web"])


@each_case(
    "keys,attribute,expected",
    [
        ("restart: never", "restart", Restart(RestartPolicy.NEVER)),
        ("restart: {max_restarts: 2}", "restart", Restart(max_restarts=2)),
        ("restart: {initial_backoff: 1m}", "restart", Restart(initial_backoff=60, max_backoff=60)),
        ("health_check: {http: 80}", "health_check", HealthCheck("http", 80)),
        ("health_check: {tcp: 80, initial_delay: 0}", "health_check", HealthCheck("tcp", 80, initial_delay=0)),
        ("ready_when: {exec: test -f up}", "ready_when", ReadyCommand(("sh", "-c", "test -f up"))),
        ("ready_when: {exec: [test, -f, 1]}", "ready_when", ReadyCommand(("test", "-f", "1"))),
        ("stop: {signal: 9}", "stop", StopPolicy(9)),
        ("stop: {signal: hup, grace: 1m}", "stop", StopPolicy(1, 60)),
        ("workdir: ./site/", "workdir", "site"),
        ("workdir: .", "workdir", ""),
        ("workdir: /workspace", "workdir", ""),
        ("workdir: /workspace/a/b", "workdir", "a/b"),
        ("workdir: /workspaces", "workdir", "/workspaces"),
        ("workdir: ../other", "workdir", "../other"),
        ("env: [A=1, B=, 'C=x=y']", "env", (("A", "1"), ("B", ""), ("C", "x=y"))),
        ("inherit_env: false", "inherit_env", False),
        ("inherit_env: [PATH]", "inherit_env", ("PATH",)),
        ("stdin: pipe", "stdin", "pipe"),
        ("replicas: '3'", "replicas", 3),
        ("update: start-first", "update", "start-first"),
        ("watch: [site]", "watch", (WatchRule("site"),)),
        ("watch: [{path: a, signal: HUP}]", "watch", (WatchRule("a", "signal", (), 1),)),
        ("watch: [{path: a, run: make}]", "watch", (WatchRule("a", "run", run=("sh", "-c", "make")),)),
        ("health_check: ~", "health_check", None),
    ],
)
def test_short_forms(keys: str, attribute: str, expected: object) -> None:
    assert getattr(web(keys), attribute) == expected


@each_case(
    "needs,expected",
    [
        ("db", [Dependency("main", "db")]),
        ("[db, log]", [Dependency("main", "db"), Dependency("main", "log")]),
        ("{db: started, log: }", [Dependency("main", "db", Condition.STARTED), Dependency("main", "log")]),
        ("{db: {condition: completed, restart: true}}", [Dependency("main", "db", Condition.COMPLETED, True)]),
        ("[main/db, other/db]", [Dependency("main", "db"), Dependency("other", "db")]),
        ("[eager]", [Dependency("main", "eager", restart=True)]),
    ],
)
def test_dependencies(needs: str, expected: list[Dependency]) -> None:
    text = f"""
sandboxes: {{other: {{processes: {{db: {{command: x}}}}}}}}
processes:
  db: {{command: x}}
  log: {{command: x}}
  eager: {{command: x, restart_dependents: true}}
  web: {{command: x, depends_on: {needs}}}
"""
    assert list(process(text).depends_on) == expected


def test_variables_go_from_the_widest_level_to_the_narrowest() -> None:
    text = """
env_file: top.env
env: {B: top, C: top, D: top, E: top}
sandboxes:
  app:
    env_file: [{path: app.env}, {path: none.env, required: false}]
    env: {D: app, E: app}
    processes: {web: {command: x, env_file: web.env, env: {F: web}}}
"""
    files = {"top.env": "A=f1\nB=f1", "app.env": "C=f2\nD=f2", "web.env": "E=f3\nF=f3"}
    assert dict(process(text, files=files).env) == {
        "A": "f1",
        "B": "top",
        "C": "f2",
        "D": "app",
        "E": "f3",
        "F": "web",
    }


def test_a_name_without_a_value_takes_the_callers() -> None:
    assert web("env: {A: , B: }", {"A": "mine"}).env == (("A", "mine"),)
    assert web("env: [A, B]", {"A": "mine"}).env == (("A", "mine"),)


def test_interpolation_happens_before_values_are_looked_at() -> None:
    process = web("replicas: '${N}', health_check: {tcp: $PORT}, env: {X: '${PORT}'}", {"N": "2", "PORT": "80"})
    assert (process.replicas, process.env) == (2, (("X", "80"),))
    assert process.health_check == HealthCheck("tcp", 80)


def test_the_environment_beats_dotenv() -> None:
    files = {".env": "A=file\nB=file"}
    assert web("env: {X: '$A$B'}", {"A": "env"}, files).env == (("X", "envfile"),)
    named = {**files, "other.env": "B=other", "more.env": "B=more"}
    chosen = web("env: {X: '$B'}", {}, named, env_files=("other.env", "more.env"))
    assert web("env: {X: '$B'}", {"SBXCOMPOSE_ENV_FILES": "other.env, more.env"}, named).env == chosen.env
    assert chosen.env == (("X", "more"),)


def test_the_override_is_laid_over_the_file() -> None:
    text = "processes: {web: {command: a, env: [A=1, B=1], watch: [a, b], restart: never}, db: {command: x}}"
    over = "processes: {web: {env: {B: 2}, watch: [c], restart: {max_restarts: 1}}, log: {command: y}}"
    project = load(text, files={"sbxcompose.override.yaml": over})
    web, db, log = project.processes()
    assert web.command == ("sh", "-c", "a")
    assert web.env == (("A", "1"), ("B", "2"))
    assert [item.path for item in web.watch] == ["c"]
    assert web.restart == Restart(max_restarts=1)
    assert (db.name, log.name) == ("db", "log")
    assert project.files == (f"{FOLDER}/sbxcompose.yaml", f"{FOLDER}/sbxcompose.override.yaml")


def test_files_named_replace_the_search_and_the_override() -> None:
    files = {
        "a.yaml": "processes: {web: {command: a, user: me}}",
        "sub/b.yaml": "processes: {web: {command: b}}",
        "sbxcompose.override.yaml": "processes: {web: {command: c}}",
    }
    web = next(load(None, {}, files, named=("a.yaml", "sub/b.yaml")).processes())
    assert (web.command[2], web.user) == ("b", "me")
    assert load(None, {}, files, named=("sub/b.yaml",)).directory == f"{FOLDER}/sub"


def test_standard_input() -> None:
    project = load(None, {}, {}, named=("-",), stdin=lambda: b"processes: {web: {command: x}}")
    assert (project.directory, project.name, project.files) == (FOLDER, "shop", ("-",))
    assert mistakes(None, {}, {}, named=("-",), stdin=lambda: b"[]") == [
        "<stdin>:1:1: the file must be a mapping (`key: value`)"
    ]


def test_includes_lie_beneath_the_file_that_includes_them() -> None:
    files = {
        "base.yaml": "include: deep/deep.yaml\nprocesses: {web: {command: base, user: base, env: {A: base}}}",
        "deep/deep.yaml": "processes: {web: {command: deep, workdir: deep, env_file: own.env}}",
        "deep/own.env": "B=deep",
    }
    web = process("include: ['${BASE}.yaml']\nprocesses: {web: {command: top}}", {"BASE": "base"}, files)
    assert (web.command[2], web.user, web.workdir) == ("top", "base", "deep")
    assert web.env == (("A", "base"), ("B", "deep"))


def test_a_file_may_be_included_twice_but_not_by_itself() -> None:
    base = {"a.yaml": "include: c.yaml", "b.yaml": "include: c.yaml", "c.yaml": "processes: {web: {command: x}}"}
    assert process("include: [a.yaml, b.yaml]", {}, base).command[2] == "x"
    circle = {"a.yaml": "include: b.yaml", "b.yaml": "include: a.yaml"}
    (mistake,) = mistakes("include: a.yaml", {}, circle)
    assert mistake == "b.yaml:1:10: cycle of `include`: sbxcompose.yaml -> a.yaml -> b.yaml -> a.yaml"


def test_the_nearest_folder_upward_is_the_projects() -> None:
    text = "processes: {web: {command: x}}"
    found = load(None, {}, {"sbxcompose.yml": text, "../sbxcompose.yaml": "x"}, directory=f"{FOLDER}/a/b")
    assert found.directory == FOLDER
    found = load(None, {}, {"sbxcompose.yaml": text, "Procfile": "web: y", "sbxcompose.yml": "x"})
    assert found.files == (f"{FOLDER}/sbxcompose.yaml",)


def test_nothing_found_says_where_it_looked() -> None:
    with pytest.raises(SpecNotFound) as caught:
        load()
    assert caught.value.message == (
        f"no `sbxcompose.yaml`, `sbxcompose.yml` or `Procfile` in {FOLDER}, nor in any folder above it"
    )
    assert caught.value.exit_code == 2


@each_case(
    "content,message",
    [
        ("", "0:0: the file is empty"),
        ("# nothing\n", "0:0: the file is empty"),
        ("~", "0:0: the file is empty"),
        ("just text", "1:1: the file must be a mapping (`key: value`)"),
        (errno.EISDIR, "0:0: the file is a directory, not a file"),
        (errno.EINVAL, "0:0: the file is not a regular file"),
        (errno.EFBIG, "0:0: the file is larger than 64 MiB"),
        (errno.EIO, "0:0: the file cannot be read: input/output error"),
        (b"\x7fELF\0\0\xff", "0:0: the file is binary, not text"),
        (b"a: \0", "0:0: the file is binary, not text"),
        (b"a: 1\nb: \xff", "2:4: the file is not UTF-8 text"),
        ("a: 1".encode("utf-16"), "1:1: the file is not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_one_clear_mistake(content: str | bytes | int, message: str) -> None:
    assert mistakes(None, {}, {"sbxcompose.yaml": content}) == [message]


def test_named_files_that_do_not_exist() -> None:
    assert mistakes(None, {}, {}, named=("a.yaml", "b.yaml")) == [
        "a.yaml:0:0: the file does not exist",
        "b.yaml:0:0: the file does not exist",
    ]
    assert mistakes("processes: {}", {}, {}, env_files=("x.env",)) == ["x.env:0:0: the file does not exist"]
    assert mistakes("include: x.yaml") == ["1:10: the included file `x.yaml` does not exist"]
    (mistake,) = mistakes("env_file: x.env\nprocesses: {web: {command: x}}")
    assert mistake == "1:11: the file `x.env` does not exist"


def test_an_empty_override_is_not_a_mistake() -> None:
    assert load("processes: {web: {command: x}}", files={"sbxcompose.override.yaml": "# later\n"}).sandboxes


@each_case(
    "folder,name",
    [
        ("/a/shop", "shop"),
        ("/a/My App_2", "my-app-2"),
        ("/a/2024", "p2024"),
        ("/", "project"),
        ("/a/日本", "project-ce47dfba"),
        ("/a/-x-", "x"),
    ],
)
def test_the_folder_names_the_project(folder: str, name: str) -> None:
    files = {f"{folder.rstrip('/')}/sbxcompose.yaml": "processes: {web: {command: x}}"}
    assert load(None, {}, files, directory=folder).name == name


def test_what_names_the_project() -> None:
    text = "name: file\nprocesses: {web: {command: x}}"
    env = {"SBXCOMPOSE_PROJECT_NAME": "env"}
    assert load(text, env, project_name="flag").name == "flag"
    assert load(text, env).name == "env"
    assert load(text, {}, {".env": "SBXCOMPOSE_PROJECT_NAME=dot"}).name == "dot"
    assert load(text).name == "file"
    with pytest.raises(UsageError, match=r"^-p: `My Shop` cannot be a name here$"):
        load(text, project_name="My Shop")


def test_what_names_the_provider() -> None:
    text = "provider: tensorlake\nprocesses: {web: {command: x}}"
    assert load(text).provider == "tensorlake"
    assert load(text, {"SBXCOMPOSE_PROVIDER": "local"}).provider == "local"
    assert load(text, {"SBXCOMPOSE_PROVIDER": "local"}, provider="tensorlake").provider == "tensorlake"
    with pytest.raises(UsageError) as caught:
        load(text, provider="locl")
    assert caught.value.hint == "did you mean `local`?"


PROFILES = (
    "profiles: [c]\nprocesses: {web: {command: x}, a: {command: x, profiles: [a, z]}, c: {command: x, profiles: [c]}}"
)


@each_case(
    "flags,environ,wanted",
    [
        ((), {}, ["web", "c"]),
        ((), {"SBXCOMPOSE_PROFILES": "a, b"}, ["web", "a"]),
        (("z",), {"SBXCOMPOSE_PROFILES": "c"}, ["web", "a"]),
        (("*",), {}, ["web", "a", "c"]),
    ],
)
def test_profiles(flags: tuple[str, ...], environ: dict[str, str], wanted: list[str]) -> None:
    project = load(PROFILES, environ, profiles=flags)
    assert [one_process.name for one_process in project.processes()] == wanted
    left = [name for name in ("web", "a", "c") if name not in wanted]
    assert project.disabled == tuple(f"main/{name}" for name in left)
    assert [item.name for item in project.inactive] == left


def test_an_unknown_profile_is_reported() -> None:
    with pytest.raises(UnknownName, match="no profile named `b`"):
        load(PROFILES, profiles=("b",))


def test_an_unknown_profile_of_the_environment_is_noted() -> None:
    project = load(PROFILES, {"SBXCOMPOSE_PROFILES": "z,b,*"})
    assert project.unknown_profiles == ("b",)


def test_an_unknown_profile_of_the_file_is_a_mistake_at_its_place() -> None:
    with pytest.raises(InvalidSpec) as refused:
        load("profiles: [beta, dex]\nprocesses: {web: {command: x, profiles: [dev, beta]}}\n")
    (mistake,) = refused.value.mistakes
    assert "no process has the profile `dex`" in str(mistake)
    assert mistake.hint == "did you mean `dev`?"


def test_scale() -> None:
    text = "sandboxes: {a: {processes: {web: {command: x}, db: {command: x}}}, b: {processes: {db: {command: x}}}}"
    project = load(text, scale={"web": 3, "b/db": 0})
    assert [one_process.replicas for one_process in project.processes()] == [3, 1, 0]
    with pytest.raises(UsageError, match="`db` is ambiguous"):
        load(text, scale={"db": 2})
    with pytest.raises(UnknownName, match="no process named `nobody`"):
        load(text, scale={"nobody": 2})
    with pytest.raises(UsageError, match="cannot have -1 replicas"):
        load(text, scale={"web": -1})


def test_what_is_wrong_with_the_file_comes_before_what_is_wrong_with_the_command() -> None:
    with pytest.raises(InvalidSpec):
        load("processes: {web: {comand: x}}", scale={"nobody": 2}, project_name="No")


def test_secrets_are_those_named_and_those_made_from_them() -> None:
    text = """
secrets: [TOKEN]
env: {URL: "https://$TOKEN@host", PLAIN: "$OTHER"}
processes:
  web: {command: "use $$TOKEN", secrets: [MINE], env: ["AUTH=Bearer $TOKEN", "X=$MINE"]}
  log: {command: x}
"""
    web, log = load(text, {"TOKEN": "t", "OTHER": "o", "MINE": "m"}).processes()
    assert set(web.secrets) == {"TOKEN", "MINE", "URL", "AUTH", "X"}
    assert set(log.secrets) == {"TOKEN", "URL"}


def test_a_secret_may_not_be_where_every_user_sees_it() -> None:
    text = "secrets: [TOKEN]\nprocesses:\n  web:\n    command: use ${TOKEN}\n"
    (mistake,) = mistakes(text, {"TOKEN": "hunter2"})
    assert mistake == "4:14: the secret `TOKEN` would be visible to every user here"


def test_x_keys_are_not_looked_at() -> None:
    text = """
x-base: &base {command: "${NOBODY}", nonsense: 1}
x-good: &good {command: run, x-note: 3}
processes: {web: {<<: *good, user: me, x-own: {a: 1}}}
"""
    assert process(text).command[2] == "run"


def test_setup_is_there_even_where_nothing_else_is() -> None:
    (app,) = load("sandboxes: {app: {setup: [a, [b, c]], env: {A: 1}, secrets: [A]}}").sandboxes
    first, second = app.processes
    assert (first.name, first.env, first.secrets) == ("@setup1", (("A", "1"),), ("A",))
    assert second.command == ("b", "c")
    assert second.depends_on == (Dependency("app", "@setup1", Condition.COMPLETED),)


def test_a_thousand_processes_in_a_row_and_a_hundred_in_a_cycle() -> None:
    lines = [f"  p{n}: {{command: run, depends_on: [{f'p{n - 1}' if n else ''}]}}" for n in range(1000)]
    assert len(load("processes:\n" + "\n".join(lines)).sandboxes[0].processes) == 1000
    circle = ["  p0: {command: run, depends_on: [p99]}", *lines[1:100], "  first: {command: run}"]
    (mistake,) = mistakes("processes:\n" + "\n".join(circle))
    assert mistake.startswith("2:34: dependency cycle: p0 -> p99 -> p98 -> p97 -> p96 -> p95 -> … ->")


@each_case(
    "path,place",
    [
        ("src", "src"),
        ("./a/b/", "a/b"),
        (".", "."),
        ("../shared", "shared"),
        ("/etc/ssl", "ssl"),
        ("..", "."),
        ("/", "."),
    ],
)
def test_what_is_copied_goes_to_its_own_place_unless_told_otherwise(path: str, place: str) -> None:
    assert place_of(path) == place


def test_a_sandbox_may_live_elsewhere_than_its_project() -> None:
    app = "app: {provider: tensorlake, processes: {web: {command: x}}}"
    text = f"sandboxes: {{{app}, db: {{processes: {{db: {{command: x}}}}}}}}"

    def places(**request: str) -> list[str]:
        project = load(text, **request)  # type: ignore[arg-type]
        return [project.provider_of(sandbox.name) for sandbox in project.sandboxes]

    assert places() == ["tensorlake", "local"]
    assert places(provider="local") == ["local", "local"]
    assert places(provider="tensorlake") == ["tensorlake", "tensorlake"]


def test_what_a_provider_cannot_do_is_refused_for_the_sandboxes_that_live_there() -> None:
    check = "processes: {db: {command: x, health_check: {exec: 'true'}}}"
    assert mistakes(f"sandboxes: {{app: {{{check}}}, other: {{provider: tensorlake}}}}") == []
    (mistake,) = mistakes(f"sandboxes: {{app: {{provider: tensorlake, {check}}}}}")
    assert "the provider `tensorlake` cannot run a command as a health check" in mistake
