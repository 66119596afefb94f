"""For each key, editors (by the schema) and the program (by the models) accept and refuse the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema

from sbxcompose.spec.schema import schema_text
from tests.support.cases import each_case
from tests.support.spec_files import mistakes

SCHEMA = json.loads(schema_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
Tree = dict[str, Any]


def project(keys: Tree) -> Tree:
    return {**({} if "sandboxes" in keys else {"processes": {"web": {"command": "x"}, "db": {"command": "x"}}}), **keys}


def process(keys: Tree) -> Tree:
    return {"processes": {"web": {"command": "x", "port": 80, **keys}, "db": {"command": "x"}}}


def sandbox(keys: Tree) -> Tree:
    isolation = {"isolation": "overlay"} if "mounts" in keys else {}
    app = {"processes": {"web": {"command": "x"}}, **isolation, **keys}
    return {"sandboxes": {"app": app, "other": {"processes": {"db": {"command": "x"}}}}}


def check(keys: Tree) -> Tree:
    return process({"health_check": keys if {"http", "tcp", "exec"} & keys.keys() else {"tcp": 80, **keys}})


FILE_SYSTEM = {"id": "a", "mount_path": "/b", "read_only": True}
AROUND: dict[str, Callable[[Tree], Tree]] = {
    "Project": project,
    "Process": process,
    "Sandbox": sandbox,
    "HealthCheck": check,
    "Http": lambda keys: check({"http": keys}),
    "Ready": lambda keys: process({"ready_when": keys}),
    "Restart": lambda keys: process({"restart": keys}),
    "Stop": lambda keys: process({"stop": keys}),
    "Watch": lambda keys: process({"watch": [{"path": "a", **keys}]}),
    "Dependency": lambda keys: process({"depends_on": {"db": keys}}),
    "EnvFile": lambda keys: process({"env_file": [{"path": "a.env", "required": False, **keys}]}),
    "Resources": lambda keys: sandbox({"resources": keys}),
    "Gpu": lambda keys: sandbox({"resources": {"gpus": [{"model": "a", **keys}]}}),
    "Network": lambda keys: sandbox({"network": keys}),
    "Mount": lambda keys: sandbox({"mounts": [{"source": "a", "target": "/b", **keys}]}),
    "FileSystem": lambda keys: sandbox({"provider": "tensorlake", "file_systems": [{**FILE_SYSTEM, **keys}]}),
    "Files": lambda keys: sandbox({"files": [{"from": "a", **keys}]}),
    "Connect": lambda keys: sandbox({"connect": {"db": [{"port": 80, **keys}]}}),
}
"""A file around some keys of each mapping, which is right if they are."""
KEYS = [(name, key) for name in AROUND for key in (SCHEMA["$defs"].get(name) or SCHEMA)["properties"]]

# fmt: off
OF_ALL_KEYS: list[Any] = [
    None, True, 0, -1, 9501, 70000, 1.5, "", " ", "a b", "a\nb", "80", "/a", "../a", "*.py", "run",
    [], [""], ["x"], [1], [None], [80, 80], {}, {"a": 1}, {"": "x"}, {"unknown": None},
]
OF_SOME: dict[str, list[Any]] = {
    "name": ["a_b", "a-", "-a", "A", "x" * 64, "abcdefghijklmnopqrstu", "a" * 21 + "-b"],
    "signal": ["SIGFOO", "FOO", "SIG", "SIGTERM", "sigterm", "TERM", "term", "15", "65", "0", 64, 65, "SIGRTMIN+1"],
    "duration": ["5", "5x", "1m30s", "1s1m", "0s", "0.1ms", "500us", "1500us", "1500ms", "2000ms", "1.", "1.5h", "5 s",
                 "0.05s", "0.0001s", "10.0s", "9" * 19 + "s", "1w2d", "0", "0.5ms", "0m5ms", "5\u00b5s"],
    "size": ["512mb", "512 MB", "1.5g", "5q", "0b", "0", "512", "512 kib", "9" * 19 + "b", "0.5gb"],
    "text": ["a:/b", "a:b", "a:b:c", "1000:1000", "a:", "http://x", "copy", "true", "1.2.3.4", "~/a", "a|b", ".."],
    "list": [["a:/b"], ["a:/b:ro"], ["a:/b:rx"], ["a:b"], ["A=1"], ["=1"], ["A B=1"], ["", "x"], ["x", ""], [300], [-1],
             ["*.py"], [" "], ["8080:80"], [["x"]], [["", "x"]], [{}], [9501], ["/a"], [True], ["db", "db"], ["a b"]],
    "mapping": [{"A=B": 1}, {"a": [1]}, {"a": {}}, {"db": "ready"}, {"db": None}, {"db": {"port": 80, "listen": 9501}},
                {"db": []}, {"db": 70000}, {"db": "8080:80"}, {"": {"command": "x"}}, {"x": {"command": "x"}}],
}
# fmt: on
KINDS = {
    "signal": ["signal"],
    "duration": ["timeout", "interval", "initial_delay", "initial_backoff", "max_backoff", "grace", "debounce"],
    "size": ["memory", "disk"],
    "text": ["user", "workspace", "path", "to", "target", "workdir", "extends", "from", "mount_path", "restart"],
    "name": ["name"],
    "list": [
        *("mounts", "env", "inherit_env", "success_exit_codes", "watch", "ports", "setup", "command", "exec", "run"),
        *("depends_on", "profiles", "secrets", "files", "include"),
    ],
    "mapping": ["env", "labels", "depends_on", "connect", "processes", "sandboxes"],
}

OF_OTHER_KEYS = re.compile(
    r"no process (or sandbox )?is named|does not exist|depends on itself|has the profile|cycle of|neither `sandboxes`"
    r"|a health check needs|`ready_when` needs|needs the key|is shorter than"
)
"""Mistakes that are not about the value alone: what else is in the file, or on the disk."""
BEYOND_SCHEMAS = re.compile(
    r"the quote that opens here|not a regular expression|must be a whole number, not the number \d+\.0"
)
"""Mistakes that no JSON schema can describe: languages of their own, and 5.0, which is an integer there."""


def quoted(value: Any) -> bool:
    """A number or a boolean in quotes, as `"${REPLICAS}"` becomes one: the program takes it, editors mark it."""
    items: Any = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
    return any(isinstance(item, str) and re.fullmatch(r"[\d.]+|true|false", item) for item in items)


def number_for_name(key: str, value: Any) -> bool:
    """A number or boolean where `env` or `user` has a name: it counts as it is written."""
    item = value[0] if isinstance(value, list) and value else value
    return key in ("env", "user") and isinstance(item, bool | int | float)


def empty_name(key: str, value: Any) -> bool:
    """A label or a target without a value is not given."""
    return key in ("labels", "connect") and isinstance(value, dict) and None in value.values()


@each_case("name,key", KEYS)
def test_the_schema_and_the_program_agree_on_each_value(name: str, key: str) -> None:
    extra = [value for kind, keys in KINDS.items() if key in keys for value in OF_SOME[kind]]
    wrong = []
    for value in [*OF_ALL_KEYS, *extra]:
        document = AROUND[name]({key: value})
        found = [text.partition(": ")[2] for text in mistakes(json.dumps(document))]
        accepted = VALIDATOR.is_valid(document)
        if accepted and any(not OF_OTHER_KEYS.search(text) and not BEYOND_SCHEMAS.search(text) for text in found):
            wrong.append(f"the schema accepts {key}: {value!r} ({found[0]})")
        lenient = quoted(value) or number_for_name(key, value) or empty_name(key, value)
        if not accepted and not found and not lenient:
            wrong.append(f"the schema refuses {key}: {value!r}")
    assert not wrong


def test_every_mapping_of_the_schema_is_compared() -> None:
    assert {*SCHEMA["$defs"], "Project"} == {*AROUND, "Interpolated"}
