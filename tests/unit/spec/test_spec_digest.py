from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from sbxcompose.spec.digest import digest as digest_of
from sbxcompose.spec.project import HealthCheck, Pairs, Process, Restart, RestartPolicy
from tests.support.cases import each_case
from tests.support.spec_files import load, web

CHECK = HealthCheck("http", 8080)


def digest(
    command: tuple[str, ...],
    env: Pairs = (),
    *,
    after: str | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
    **keys: Any,
) -> str:
    """The digest of a process that has these keys."""
    return digest_of(Process("main", "web", command, "", env=env, **keys), after=after, more=more)


def test_the_digest_never_changes() -> None:
    """A change of these values would restart everybody's processes with an upgrade."""
    assert digest(("run",)) == "c624e1e2"
    env = (("A", "1"), ("B", "\udcff"))
    assert digest(("sh", "-c", "serve é"), env, user="1:1", health_check=CHECK) == "1c83b14f"
    assert digest(("run",), after="61a69e7d") == "48789493"


def test_everything_that_makes_a_process_counts() -> None:
    variants = [
        digest(("run",)),
        digest(("run", "fast")),
        digest(("run",), (("A", "1"),)),
        digest(("run",), user="me"),
        digest(("run",), workdir="site"),
        digest(("run",), stdin="pipe"),
        digest(("run",), restart=Restart(RestartPolicy.NEVER)),
        digest(("run",), restart=Restart(max_backoff=31)),
        digest(("run",), health_check=CHECK),
        digest(("run",), health_check=replace(CHECK, path="/up")),
        digest(("run",), health_check=HealthCheck("tcp", 8080)),
        digest(("run",), health_check=HealthCheck("exec", 0, command=("check",))),
        digest(("run",), health_check=HealthCheck("exec", 0, command=("check", "it"))),
        digest(("run",), more={"tty": True}),
        digest(("run",), more={"success_exit_codes": (5,)}),
        digest(("run",), after=""),
    ]
    assert len(set(variants)) == len(variants)


def test_the_path_of_a_tcp_check_has_no_effect() -> None:
    one, other = HealthCheck("tcp", 80, "/"), HealthCheck("tcp", 80, "/x")
    assert digest(("run",), health_check=one) == digest(("run",), health_check=other)


@each_case(
    "keys",
    [
        "replicas: 3",
        "stop: {grace: 1s}",
        "ready_when: {log: up}",
        "secrets: [A]",
        "inherit_env: false",
        "update: start-first",
        "watch: [site]",
        "restart: on_failure",
        "restart_dependents: true",
        "autostart: false",
        "stop: {command: ctl stop}",
        "description: Web",
        "restart: on_failure, stop_all_on: exit",
    ],
)
def test_what_does_not_make_a_process_leaves_its_digest(keys: str) -> None:
    assert web(keys).digest == web("replicas: 1").digest


def test_the_order_of_keys_has_no_effect() -> None:
    assert web("env: {A: 1, B: 2}, user: me").digest == web("user: me, env: [B=2, A=1]").digest


def test_a_setup_command_covers_those_before_it() -> None:
    def digests(*commands: str) -> list[str]:
        rest = "processes: {web: {command: run}}"
        project = load(f"sandboxes: {{app: {{setup: {list(commands)}, {rest}}}}}")
        return [process.digest for process in project.processes()]

    first, second = digests("a", "b"), digests("c", "b")
    assert first[1] != second[1]
    assert first[2] == second[2]
    assert digests("a", "b", "c")[:2] == first[:2]
