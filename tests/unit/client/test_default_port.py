"""Which port is meant where none is named."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sbxcompose.client.default_port import default_port
from sbxcompose.errors import UsageError
from sbxcompose.plan.targets import resolve_place
from sbxcompose.spec.project import HealthCheck, Project
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import process, project

SHOP = project(
    process("web", port=8000, check=HealthCheck("http", 8000)),
    process("two", port=9000, replicas=2),
    process("checked", check=HealthCheck("tcp", 6379)),
    process("none", check=HealthCheck("exec", 0, command=("true",))),
)


def with_ports(*ports: int) -> Project:
    return replace(SHOP, sandboxes=(replace(SHOP.sandboxes[0], ports=ports),))


@each_case("name, port", [("web", 8000), ("checked", 6379), ("two.2", 9001), ("two.1", 9000), ("none", 5000)])
def test_the_only_port_of_a_process_or_of_its_sandbox(name: str, port: int) -> None:
    shop = with_ports(5000)
    assert default_port(shop, resolve_place(shop, name), name) == port


@pytest.mark.parametrize(
    "name, told", [("none", "names no port of none"), ("two", "9000, 9001"), ("main", "8000, 9000, 9001, 6379")]
)
def test_none_and_several_are_refused(name: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        default_port(SHOP, resolve_place(SHOP, name), name)
    assert f"sbxcompose port {name} " in (refused.value.hint or "")


def test_a_sandbox_with_one_port() -> None:
    one = project(process("web", port=8000, check=HealthCheck("http", 8000)), process("other"))
    assert default_port(one, resolve_place(one, "main"), "main") == 8000
