"""Which sandboxes are isolated: by what was asked for, how the host was started, and what the machine permits."""

from __future__ import annotations

from typing import Any

import pytest

from sbxcompose.api.sandbox_models import CreateRequest, LimitsInfo, ProjectClaim, SandboxMount
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.base.settings import IsolationMode
from sbxcompose.host.sandboxes.isolation_choice import GrantedIsolation, granted_isolation, wanted_isolation
from tests.support.cases import each_case

REFUSAL = Problem(400, "the sandbox cannot be isolated: making namespaces: operation not permitted", "ISOLATION")
CLAIM = ProjectClaim(name="shop", sandbox="main", directory="/home/a/shop")
MODES: tuple[IsolationMode, ...] = ("auto", "none", "overlay")


@pytest.mark.parametrize("default", MODES)
def test_a_sandbox_without_a_project_that_does_not_say_is_isolated_as_the_host_was_started(
    default: IsolationMode,
) -> None:
    assert wanted_isolation(CreateRequest(name="box", resources={"cpus": 2}), default) == default


@pytest.mark.parametrize("default", MODES)
def test_a_sandbox_of_a_project_is_isolated_only_if_its_file_says_so(default: IsolationMode) -> None:
    for fields in ({"project_directory": "/home/a/shop"}, {"project": CLAIM}):
        assert wanted_isolation(CreateRequest(**fields), default) == "none"
        assert wanted_isolation(CreateRequest(isolation="overlay", **fields), default) == "overlay"


@pytest.mark.parametrize("default", MODES)
def test_what_a_request_says_holds_whatever_the_default(default: IsolationMode) -> None:
    assert wanted_isolation(CreateRequest(isolation="none"), default) == "none"
    assert wanted_isolation(CreateRequest(isolation="overlay"), default) == "overlay"


@each_case(
    "fields",
    [
        {"mounts": [SandboxMount(source="/data", target="/data")]},
        {"workspace": "/work"},
        {"limits": LimitsInfo(disk=1 << 30)},
        {"file_systems": [{"file_system_id": "data", "mount_path": "/data"}]},
    ],
)
def test_a_sandbox_that_needs_isolation_must_have_it(fields: dict[str, Any]) -> None:
    assert wanted_isolation(CreateRequest(**fields), "auto") == "overlay"


def test_a_sandbox_that_begins_with_a_whole_disk_must_have_isolation() -> None:
    assert wanted_isolation(CreateRequest(snapshot_id="x"), "auto", whole_disk=True) == "overlay"
    assert wanted_isolation(CreateRequest(snapshot_id="x"), "auto") == "auto"


def test_mounts_without_isolation_are_refused() -> None:
    for default, isolation in (("none", None), ("auto", "none")):
        with pytest.raises(Problem, match="workspace needs `isolation: overlay`"):
            wanted_isolation(CreateRequest(workspace="/work", isolation=isolation), default)  # type: ignore[arg-type]


def test_a_machine_that_permits_isolation_isolates_what_wants_it() -> None:
    assert granted_isolation("auto", None) == granted_isolation("overlay", None) == GrantedIsolation("overlay")
    assert granted_isolation("none", None) == GrantedIsolation("none")


def test_a_machine_that_refuses_isolation_does_without_only_where_that_will_do() -> None:
    assert granted_isolation("none", REFUSAL) == GrantedIsolation("none")
    assert granted_isolation("auto", REFUSAL) == GrantedIsolation("none", refused=REFUSAL.error)
    with pytest.raises(Problem, match="operation not permitted"):
        granted_isolation("overlay", REFUSAL)


def test_a_machine_that_is_too_busy_is_not_taken_for_one_that_refuses() -> None:
    for wanted in ("auto", "overlay"):
        with pytest.raises(Problem):
            granted_isolation(wanted, REFUSAL, transient=True)
