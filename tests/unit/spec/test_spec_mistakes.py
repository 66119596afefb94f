from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from sbxcompose.spec.base_models import Strict
from tests.support.cases import each_case
from tests.support.spec_files import hints, mistakes


def of_web(keys: str) -> list[str]:
    return mistakes(f"processes:\n  web:\n    command: x\n    {keys}\n")


@each_case(
    "keys,mistake",
    [
        ("comand: y", "4:5: unknown key `comand`"),
        ("comand:", "4:5: unknown key `comand`"),
        ("restart: {polcy: }", "4:15: unknown key `polcy`"),
        ("stop: {signal: , graze: }", "4:22: unknown key `graze`"),
        ("health_check: {http: 80, comand: }", "4:30: unknown key `comand`"),
        ("replicas: two", "4:15: `replicas` must be a whole number, not `two`"),
        ("replicas: 1.5", "4:15: `replicas` must be a whole number, not the number 1.5"),
        ("replicas: true", "4:15: `replicas` must be a whole number, not true"),
        ("replicas: -1", "4:15: `replicas` must be at least 0, not the number -1"),
        ("replicas: 99999", "4:15: `replicas` must be at most 9999, not the number 99999"),
        ("user: [a]", "4:11: `user` must be text or a whole number, not a list"),
        ("user: a b", "4:11: `a b` is not a user"),
        ("workdir: ''", "4:14: `workdir` is empty"),
        ("stop: {command: {a: b}}", "4:21: `command` must be text or a list, not a mapping"),
        ("stop: {grace: [1s]}", "4:19: `grace` must be text such as `500ms` or `0`, not a list"),
        ("stop: {signal: {a: b}}", "4:20: `signal` must be text such as `SIGTERM` or a whole number, not a mapping"),
        ("env_file: 3", "4:15: `env_file` must be text or a list, not the number 3"),
        ("env_file: ''", "4:15: `env_file` is empty"),
        ("watch: ['']", "4:13: an entry of `watch` is empty"),
        ("watch: [[x]]", "4:13: an entry of `watch` must be text or a mapping (`key: value`), not a list"),
        ("watch: [null]", "4:13: an entry of `watch` must be text or a mapping (`key: value`), not nothing"),
        ("health_check: {http: 70000}", "4:26: `http` must be at most 65535, not the number 70000"),
        ("health_check: {http: []}", "4:26: `http` must be a whole number, text that begins with `/`, `true` or a"),
        ("depends_on: 3", "4:17: `depends_on` must be text, a list or a mapping (`key: value`), not the number 3"),
        ("depends_on: ''", "4:17: the name of a process is empty"),
        ("depends_on: ['']", "4:18: the name of a process is empty"),
        ("depends_on: {'': ready}", "4:18: a name is empty"),
        ("profiles: ['']", "4:16: the name is empty"),
        ("secrets: ['']", "4:15: a variable has no name"),
        ("secrets: [A=1]", "4:15: `A=1` cannot be the name of a variable"),
        ("'': x", "4:5: a key is empty"),
        ("env: 3", "4:10: `env` must be a mapping (`key: value`) or a list, not `3`"),
        ("env: {A: [1]}", "4:14: `A` must be text, not a list"),
        ("env: {A=B: 1}", "4:16: `A=B` cannot be the name of a variable"),
        ("env: [=1]", "4:11: a variable has no name"),
        ("env: ['DEBUG = true']", "4:11: `DEBUG ` cannot be the name of a variable"),
        ("env: {A B: 1}", "4:16: `A B` cannot be the name of a variable"),
        ("health_check: {tcp: 1, timeout: 500us}", "4:37: it must be at least 1ms"),
        ("env: !reset {A: 1}", "4:10: unknown tag `!reset`"),
        ("env: [[1]]", "4:11: an entry must be `NAME=value`"),
        ("stdin: open", "4:12: `stdin` must be `closed` or `pipe`, not `open`"),
        ("restart: maybe", "4:14: `maybe` is not one of `never`, `on_failure`, `always`"),
        ("restart: {policy: never, max_restart: 1}", "4:30: unknown key `max_restart`"),
        ("restart: {max_backoff: 1ms}", "4:28: `max_backoff` is shorter than `initial_backoff`"),
        (
            "restart: [never]",
            "4:14: `restart` must be `never`, `on_failure`, `always` or a mapping",
        ),
        (
            "health_check: 8080",
            "4:19: `health_check` must be `http`, `tcp` or a mapping (`key: value`), not",
        ),
        ("health_check: {interval: 1s}", "4:19: a health check needs `http`, `tcp` or `exec`"),
        ("health_check: {http: 1, tcp: 1}", "4:19: a health check has `http` or `tcp`, not both"),
        ("health_check: {tcp: 70000}", "4:25: `tcp` must be at most 65535, not the number 70000"),
        ("health_check: {tcp: 1, interval: 0s}", "4:38: it must be more than zero"),
        ("health_check: {tcp: 1, interval: 5}", "4:38: invalid duration `5`"),
        ("health_check: {tcp: 1, interval: fast}", "4:38: invalid duration `fast`"),
        ("health_check: {http: {path: /}}", "4:19: the health check has no port"),
        ("health_check: {http: {port: 1, path: x}}", "4:42: the path `x` must begin with `/`"),
        ("ready_when: {}", "4:17: `ready_when` needs `log` or `exec`"),
        ("ready_when: {log: '('}", "4:23: this is not a regular expression: missing ), unterminated subpattern"),
        ("ready_when: {exec: []}", "4:24: the command is empty"),
        ("depends_on: [nobody]", "4:18: no process is named `nobody`"),
        ("depends_on: [web]", "4:17: `web` depends on itself"),
        ("depends_on: [[web]]", "4:18: an entry must be the name of a process"),
        ("depends_on: {web: service_healthy}", "4:23: `service_healthy` is not one of `started`, `ready`,"),
        ("stop: SIGINT", "4:11: `stop` must be a mapping (`key: value`), not `SIGINT`"),
        ("stop: {signal: SIGTREM}", "4:20: unknown signal `SIGTREM`"),
        ("stop: {signal: 0}", "4:20: invalid signal `0`"),
        ("stop: {grace: 10}", "4:19: invalid duration `10`"),
        ("watch: [{action: restart}]", "4:13: `path` is missing"),
        ("watch: ['*.py']", "4:13: `*.py` is a pattern; `watch` takes files and directories"),
        ("watch: [{path: 'src/**/*.py'}]", "4:20: `src/**/*.py` is a pattern; `watch` takes files and directories"),
        ("watch: [{path: a, action: signal}]", "4:13: the action `signal` needs the key `signal`"),
        ("watch: [{path: a, action: sync, run: x}]", "4:42: `run` is for the action `run`, not for `sync`"),
        ("profiles: dev", "4:15: `profiles` must be a list, not `dev`"),
        ("profiles: [a b]", "4:16: `a b` cannot be a name"),
        ("secrets: [1]", "4:15: an entry of `secrets` must be text, not the number 1"),
        ("inherit_env: some", "4:18: it must be true, false or a list of names"),
        ("update: now", "4:13: `update` must be `stop-first` or `start-first`, not `now`"),
        ("env_file: [{}]", "4:16: `path` is missing"),
        ('env: {A: "\\0"}', "4:14: a NUL character cannot be part of a command, a name or a variable"),
        ("env: {A: $NOBODY}", "4:14: the variable `NOBODY` is not set"),
        ("env: {A: 'x ${NOBODY:?say it}'}", "4:17: the variable `NOBODY` is not set: say it"),
    ],
)
def test_a_mistake_in_a_process(keys: str, mistake: str) -> None:
    (found,) = of_web(keys)
    assert found.startswith(mistake)


@each_case(
    "keys,mistake",
    [
        ("ports: ['8080:80']", "3:13: `8080:80` maps a port, which is not done here"),
        ("ports: [80, 80]", "3:17: port 80 is listed twice"),
        ("ports: [9501]", "3:13: port 9501 is the sandbox's own"),
        ("ports: 80", "3:12: `ports` must be a list, not the number 80"),
        ("resources: {memory: 512}", "3:25: invalid size `512`"),
        ("resources: {cpus: 0}", "3:23: `cpus` must be more than 0"),
        ("resources: {cpus: .inf}", "3:23: `cpus` must be a finite number"),
        ("timeout: 1500ms", "3:14: it must be whole seconds"),
        ("workspace: data", "3:16: `data` must be an absolute path"),
        ("name: My-App", "3:11: `My-App` cannot be a name here"),
        ("name: abcdefghijklmnopqrstu", "3:11: `abcdefghijklmnopqrstu` cannot be a name here"),
        (f"name: {'x' * 64}", f"3:11: the name `{'x' * 64}` has 64 characters"),
        ("{image: a, snapshot: b}", "3:26: a sandbox is made from an `image` or a `snapshot`, not both"),
        ("files: [{to: x}]", "3:13: `from` is missing"),
        ("file_systems: [{id: a}]", "3:20: `mount_path` is missing"),
        ("network: {allow: []}", "3:15: unknown key `allow`"),
        ("command: x", "3:5: unknown key `command`"),
        ("setup: make", "3:12: `setup` must be a list, not `make`"),
        ("processes: [web]", "3:16: `processes` must be a mapping (`key: value`), not a list"),
        ("processes: {web: }", "3:17: `command` is missing"),
        (
            "processes: {web: run}",
            "3:22: `web` must be a mapping (`key: value`), not `run`",
        ),
    ],
)
def test_a_mistake_in_a_sandbox(keys: str, mistake: str) -> None:
    (found, *more) = mistakes(f"sandboxes:\n  app:\n    {keys}\n")
    assert found.startswith(mistake)
    assert not more


@each_case(
    "text,expected",
    [
        ("{}", ["1:1: the file defines neither `sandboxes` nor `processes`"]),
        ("sandboxes: {a b: {}}", ["1:13: `a b` cannot be a name"]),
        ("sandboxes: {'': {}}", ["1:13: the name is empty"]),
        ("processes: {'': {command: x}}", ["1:13: the name is empty"]),
        ("sandboxes: {a: {connect: {'': 80}}}", ["1:27: a name is empty"]),
        ("name: ''\nprocesses: {web: {command: x}}", ["1:7: the name is empty"]),
        ("processes: {web: {command: {a: b}}}", ["1:28: `command` must be text or a list, not a mapping"]),
        ("sandboxes: {a: {setup: [{a: b}]}}", ["1:25: an entry of `setup` must be text or a list, not a mapping"]),
        ("name: x y\nsandboxes: {a: }", ["1:7: `x y` cannot be a name here"]),
        ("provider: docker\nsandboxes: {a: }", ["1:11: `docker` is not one of `local`, `tensorlake`"]),
        ("include: [1]\nsandboxes: {a: }", ["1:11: `include` must be a path, or a list of paths"]),
        (
            "sandboxes: {a_b: , a-b: }",
            ["1:20: the sandboxes `a_b` and `a-b` would both be named `shop-a-b`"],
        ),
        (
            "processes: {web: {command: x}}\nsandboxes: {main: {processes: {db: {command: x}}}}",
            ["1:1: `processes` at the top means those of the sandbox `main`, which has some of its own"],
        ),
    ],
)
def test_a_mistake_at_the_top(text: str, expected: list[str]) -> None:
    assert mistakes(text) == expected


@each_case(
    "text,expected",
    [
        ("sandboxs: {a: {processes: {x: {command: y}}}}", ["1:1: unknown key `sandboxs`"]),
        ("web: {command: x}", ["1:1: unknown key `web`"]),
        ("web:\nprocesses: {x: {command: y}}", ["1:1: unknown key `web`"]),
        ("name: x\nfoo: 3", ["1:1: the file defines neither `sandboxes` nor `processes`", "2:1: unknown key `foo`"]),
        (
            "profiles: [dev]\nsandboxs: {a: {processes: {x: {command: y, profiles: [dev]}}}}\n"
            "processes: {q: {extends: base, depends_on: [a/x]}}\nsandboxes: {c: {connect: {x: 80}}}",
            ["2:1: unknown key `sandboxs`"],
        ),
        (
            "sandboxes: {a: {process: {x: {command: y}}, processes: {z: {command: y, depends_on: [x]}}}}",
            ["1:17: unknown key `process`"],
        ),
        ("processes: {web: {comand: x}}", ["1:19: unknown key `comand`"]),
        ("processes: {web: {extnds: db}, db: {command: x}}", ["1:19: unknown key `extnds`"]),
        ("processes: {web: {extends: bd}, db: {command: x}}", ["1:28: no process is named `bd`"]),
        (
            "processes: {web: {extends: {service: db}}, db: {command: x}}",
            ["1:28: `extends` must be the name of a process"],
        ),
        ("processes: {web: {user: x, foo: y}}", ["1:13: `command` is missing", "1:28: unknown key `foo`"]),
        ("processes: {web: {command: x, watch: [{pth: x}]}}", ["1:40: unknown key `pth`"]),
        (
            "x-shared: {a: b}\nprocesses: {web: {command: x, depends_on: [q]}}",
            ["2:44: no process is named `q`"],
        ),
    ],
)
def test_what_follows_from_a_wrong_key_is_not_a_mistake_besides(text: str, expected: list[str]) -> None:
    assert mistakes(text) == expected


def test_a_value_that_could_not_be_made_is_one_mistake() -> None:
    text = "processes: {web: {command: $X, replicas: $Y, health_check: {tcp: $Z}}}"
    assert mistakes(text) == [
        f"1:{at}: the variable `{name}` is not set" for at, name in ((28, "X"), (42, "Y"), (66, "Z"))
    ]


def test_every_number_may_come_from_a_variable() -> None:
    """A number in quotes, which is what `"${CPUS:-1.5}"` becomes, means the same as one without."""

    def takes_numbers(kind: Any) -> bool:
        return kind in (int, float) or (get_origin(kind) is not Literal and any(map(takes_numbers, get_args(kind))))

    def outcome(info: FieldInfo, value: Any) -> Any:
        try:
            kind: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
            return TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError:
            return "refused"

    found = set()
    for model in subclasses(Strict):
        for name, info in model.model_fields.items():
            if takes_numbers(info.annotation):
                found.add(name)
                assert outcome(info, "7") == outcome(info, 7), f"{model.__name__}.{name}"
                assert outcome(info, ("7",)) == outcome(info, (7,)), f"{model.__name__}.{name}"
    assert {"cpus", "replicas", "max_restarts", "tcp", "ports"} <= found


def subclasses(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for item in model.__subclasses__():
        yield item
        yield from subclasses(item)


def test_cycles_are_shown() -> None:
    text = """
processes:
  a: {command: x, depends_on: [b]}
  b: {command: x, depends_on: {c: started}}
  c: {command: x, depends_on: [a]}
  d: {command: x, depends_on: [a, d]}
"""
    assert mistakes(text) == [
        "3:31: dependency cycle: a -> b -> c -> a",
        "6:31: `d` depends on itself",
    ]


def test_a_cycle_through_two_sandboxes_names_them() -> None:
    text = """
sandboxes:
  one: {processes: {a: {command: x, depends_on: [two/b]}}}
  two: {processes: {b: {command: x, depends_on: [one/a]}}}
"""
    assert mistakes(text) == ["3:49: dependency cycle: one/a -> two/b -> one/a"]


def test_what_never_completes_cannot_be_waited_for() -> None:
    text = """
processes:
  a: {command: x, restart: always}
  web: {command: x, depends_on: {a: completed}}
"""
    assert mistakes(text) == ["4:34: `a` never completes: it is always restarted"]


def test_a_need_whose_profile_is_not_active_is_not_a_mistake_of_the_file() -> None:
    """It matters only to what would start it (`plan.profiles`): looking and stopping never depend on profiles."""
    text = """
processes:
  a: {command: x, profiles: [dev]}
  web: {command: x, depends_on: [a]}
"""
    assert mistakes(text) == []


def test_all_mistakes_of_all_files_at_once_in_their_order() -> None:
    text = """
include: base.yaml
processes:
  web: {comand: x, restart: sometimes, depends_on: [nobody], env: {A: "$X"}}
  web: {}
  log: {command: x, depends_on: [web, log], env_file: none.env}
"""
    files = {
        "base.yaml": "processes:\n  db: {command: [], health_check: {tcp: no}}\n",
        "sbxcompose.override.yaml": "processes: {log: {restat: never}}\n",
        ".env": "NOT A LINE\n",
    }
    assert mistakes(text, {}, files) == [
        ".env:1:1: a line must be `NAME=value`",
        "4:9: unknown key `comand`",
        "4:29: `sometimes` is not one of `never`, `on_failure`, `always`",
        "4:53: no process is named `nobody`",
        "4:72: the variable `X` is not set",
        "5:3: the key `web` is given twice",
        "6:33: `log` depends on itself",
        "6:55: the file `none.env` does not exist",
        "base.yaml:2:17: the command is empty",
        "base.yaml:2:41: `tcp` must be `true` or a whole number, not `no`",
        "sbxcompose.override.yaml:1:19: unknown key `restat`",
    ]


@each_case(
    "text,hint",
    [
        ("processes: {web: {command: x, depends_on: [1]}}", 'put quotes around it: "1"'),
        ("processes: {web: {command: x, depends_on: [{db: ready}]}}",
         "to say more of `db`, write a mapping, without `- `: `depends_on: {NAME: CONDITION}`"),
        ("processes: {web: {command: x, env_file: [1]}}", 'put quotes around it: "1"'),
        ("processes: {web: {command: x, secrets: true}}",
         "write `[...]`, or a line that begins with `- ` for each entry"),
        ("processes: {web: {command: x, health_check: 80}}", "write `health_check: {tcp: 80}`, or `{http: 80}`"),
        ("processes: {web: {command: x, health_check: {http: up, tcp: }}}",
         "`http` takes a port, a path (`/healthz`), or both: `{port: 8000, path: /healthz}`"),
        ("processes: {web: npm start}", "write `command: npm start` below it"),
        ("processes: {web: {comand: x, command: y}}", "did you mean `command`?"),
        ("processes: {web: {command: x, environment: {}}}", "did you mean `env`?"),
        ("processes: {web: {command: x, ports: [1]}}",
         "write `port: 8000`, the one it listens on: no port is mapped (`ports` of a sandbox is for the cloud)"),
        ("sandboxes: {a: {command: x}}", "`command` belongs to a process"),
        ("services: {web: {command: x}}\nprocesses: {web: {command: x}}", "did you mean `processes`?"),
        ("processes: {web: {command: x, restart: no}}", "did you mean `never`?"),
        ("processes: {web: {command: x, restart: false}}", "did you mean `never`?"),
        ("processes: {web: {command: x, restart: 'on-failure:3'}}",
         "write `restart: {policy: on_failure, max_restarts: 3}`"),
        ("processes: {web: {command: x, restart: exit_on_failure}}", "write `stop_all_on: failure` in the process"),
        ("processes: {web: {command: x, secrets: {a: {file: b}}}}",
         "`secrets` lists the names of variables whose values are masked, such as `[API_TOKEN]`"),
        ("secrets: {a: {file: b}}\nprocesses: {web: {command: x}}",
         "`secrets` lists the names of variables whose values are masked, such as `[API_TOKEN]`"),
        ("web: {command: x}\nprocesses: {log: {command: x}}", "it has a `command`: put it below `processes:`"),
        ("app: {processes: {}}\nprocesses: {log: {command: x}}", "it has a `processes`: put it below `sandboxes:`"),
        ("processes: {web: {command: x, restart: unless-stopped}}", "did you mean `always`?"),
        ("processes: {web: {command: x, restart: {policy: alwys}}}", "did you mean `always`?"),
        ("processes: {web: {command: x, stop: {signal: SIGTREM}}}", "did you mean `SIGTERM`?"),
        ("processes: {web: {command: x, restart_dependents: yes}}", "write `true`"),
        ("processes: {web: {command: x, update: start_first}}", "did you mean `start-first`?"),
        ("processes: {web: {command: x, depends_on: {wbe: ready}}}", "did you mean `web`?"),
        ("sandboxes: {a: {processes: {b: {command: x}}}, c: {processes: {d: {command: x, depends_on: [b]}}}}",
         "did you mean `a/b`?"),
        ("sandboxes: {a: {ports: ['8080:80']}}", "name the port alone: `80`"),
        ("processes: {web: {command: 'echo $X'}}",
         "set it, write `${X:-}` if it may be missing, or `$$X` to leave it to the shell"),
        ("processes: {web: {command: x, env: {A: ${X}}}}",
         "put quotes around `${...}`: within `{}` and `[]` a brace means something else"),
        ("processes: {web: {command: 'echo ${A}', env: {A: 1}}}",
         "`A` is set in `env`, which the process sees and this file does not: write `$${A}`"),
        ("env: [A=1]\nprocesses: {web: {command: 'echo $A'}}",
         "`A` is set in `env`, which the process sees and this file does not: write `$$A`"),
        ("processes: {web: {command: x, env: {A: 1, B: $A}}}",
         "`A` is set in `env`, whose values cannot use each other: set `A` in `.env`"),
        ("processes: {web: {command: x, env: !reset null}}",
         "to take back what a lower file says, write the key with nothing after it (`ports:`)"),
        ("processes: {web: {command: x, workdir: 3}}", 'put quotes around it: "3"'),
        ("processes: {web: {command: x, profiles: dev}}",
         "write `[dev]`, or a line that begins with `- ` for each entry"),
        ("processes: {web: {command: x, watch: '*.py'}}",
         "write `['*.py']`, or a line that begins with `- ` for each entry"),
        ("processes: {web: {command: x, health_check: {http: 'localhost:80/x'}}}",
         "`http` takes a port, a path (`/healthz`), or both: `{port: 8000, path: /healthz}`"),
        ("processes: {web: {command: x, stop: SIGINT}}", "write `{signal: SIGINT}`"),
        ("processes: {web: {command: x, stop: 10s}}", "write `{grace: 10s}`"),
    ],
)  # fmt: skip
def test_mistakes_show_the_remedy(text: str, hint: str) -> None:
    assert hints(text) == [hint]
