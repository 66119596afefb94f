"""What a request makes of a sandbox: creates, copies, patches, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from sbxcompose.api.sandbox_models import CreateRequest, PatchRequest, ProjectClaim, SandboxInfo, SnapshotInfo
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.sandboxes.rules import copied, described, patched, resources
from tests.support.cases import each_case

CLOSED = {"allow_internet_access": False}
OPEN = {"allow_internet_access": True, "allow_out": [], "deny_out": []}


def box(**fields: Any) -> SandboxInfo:
    return SandboxInfo(**{"id": "x", "status": "running", "name": "box", "resources": resources(None), **fields})


def after(info: SandboxInfo, *, clear_network: bool = False, **fields: Any) -> SandboxInfo:
    return patched(info, PatchRequest(**fields), clear_network=clear_network)


@each_case(
    "fields, seconds",
    [
        ({}, 600),
        ({"name": "box"}, 0),
        ({"timeout_secs": 5}, 5),
        ({"name": "box", "timeout_secs": 5}, 5),
        ({"timeout_secs": 0}, 0),
    ],
)
def test_lifetime_and_idle_time(fields: dict[str, Any], seconds: int) -> None:
    assert described(CreateRequest(**fields), "default").timeout_secs == seconds


class TestCreate:
    def test_it_runs_at_once_unless_it_begins_with_something(self) -> None:
        snapshot = SnapshotInfo(id="s", sandbox_id="x", status="completed")
        assert described(CreateRequest(), "default").status == "running"
        assert described(CreateRequest(entrypoint=["x"]), "default").status == "pending"
        assert described(CreateRequest(), "default", snapshot).status == "pending"

    def test_a_snapshot_hands_on_its_machine(self) -> None:
        machine = resources({"cpus": 4, "memory_mb": 4096})
        snapshot = SnapshotInfo(id="s", sandbox_id="x", status="completed", base_image="mine", resources=machine)
        inherited = described(CreateRequest(), "default", snapshot)
        assert (inherited.resources, inherited.image) == (machine, "mine")
        asked = described(CreateRequest(resources={"cpus": 2}, image="other"), "default", snapshot)
        assert (asked.resources, asked.image) == ({**machine, "cpus": 2}, "other")


def test_a_copy_has_no_name_and_another_id() -> None:
    source = box(image="ubuntu", auto_resume=False, timeout_secs=60, workspace_directory="/w", created_at=5)
    copy = copied(source)
    assert (copy.name, copy.status, copy.image, copy.timeout_secs) == (None, "pending", "ubuntu", 60)
    assert (copy.auto_resume, copy.workspace_directory) == (True, None)
    assert copy.id != source.id
    assert copy.created_at != source.created_at


class TestPatch:
    def test_what_is_not_given_stays(self) -> None:
        info = box(exposed_ports=[80], network=OPEN, auto_resume=False, allow_unauthenticated_access=True)
        assert after(info, name="other") == box(
            name="other", exposed_ports=[80], network=OPEN, auto_resume=False, allow_unauthenticated_access=True
        )

    def test_false_and_empty_are_given(self) -> None:
        info = box(exposed_ports=[80], allow_unauthenticated_access=True)
        changed = after(info, exposed_ports=[], allow_unauthenticated_access=False, auto_resume=False)
        assert (changed.exposed_ports, changed.allow_unauthenticated_access, changed.auto_resume) == ([], False, False)

    def test_ports_are_in_order_and_once(self) -> None:
        assert after(box(), exposed_ports=[9000, 80, 80]).exposed_ports == [80, 9000]

    def test_a_name_makes_it_one_that_can_be_suspended(self) -> None:
        changed = after(box(name=None), name="box", auto_resume=False)
        assert (changed.name, changed.auto_resume) == ("box", False)

    def test_a_network_without_limits_may_come_and_go(self) -> None:
        assert after(box(), network=OPEN).network == OPEN
        assert after(box(network=OPEN), clear_network=True).network is None
        assert after(box(network=CLOSED), network=CLOSED).network == CLOSED

    def test_a_resize_is_done_at_once_and_counted(self) -> None:
        first = after(box(), resources={"cpus": 2, "memory_mb": 2048})
        assert first.resources == {**resources(None), "cpus": 2, "memory_mb": 2048}
        assert first.resource_resize is not None
        assert (first.resource_resize.generation, first.resource_resize.status) == (1, "succeeded")
        assert first.resource_resize.requested == first.resources
        second = after(first, resources={"disk_mb": 20_480})
        assert second.resource_resize is not None
        assert second.resource_resize.generation == 2
        assert (second.resources["disk_mb"], second.resources["ephemeral_disk_mb"]) == (20_480, 20_480)

    def test_a_resize_to_what_there_is_changes_nothing(self) -> None:
        assert after(box(), resources={"cpus": 1.0, "disk_mb": 10_240}) == box()

    def test_only_a_running_one_is_resized(self) -> None:
        with pytest.raises(Problem, match="is suspended: only a running one") as raised:
            after(box(status="suspended"), resources={"cpus": 2})
        assert raised.value.status == 409


@each_case(
    "info, fields, words",
    [
        (box(), {"name": "Bad"}, "cannot be a sandbox's name"),
        (box(), {"exposed_ports": [9501]}, "port 9501 is reserved"),
        (box(name=None), {"auto_resume": False}, "needs a named sandbox"),
        (box(), {"network": CLOSED}, "cannot be changed while it lives"),
        (box(network=CLOSED), {"network": OPEN}, "cannot be changed while it lives"),
        (box(network=CLOSED), {"clear_network": True}, "cannot be changed while it lives"),
        (box(), {"resources": {"cpus": 2}, "name": "other"}, "cannot be combined"),
        (box(), {"resources": {"cpus": 2}, "clear_network": True}, "cannot be combined"),
        (box(), {"resources": {"gpus": [{"count": 1}]}}, "resources.gpus is not supported"),
        (box(), {"resources": {"disk_mb": 5}}, "disk_mb cannot shrink: it is 10240"),
    ],
)
def test_what_is_refused(info: SandboxInfo, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem, match=words) as raised:
        after(info, **fields)
    assert raised.value.status == 400


def test_a_projects_sandbox_moves_to_an_existing_directory() -> None:
    moved = after(box(project_directory="/gone"), project=ProjectClaim(name="p", sandbox="main", directory="/"))
    assert moved.project_directory == "/"


@pytest.mark.parametrize("directory", ["", "relative", "/nowhere/at/all"])
def test_a_projects_sandbox_never_loses_its_directory(directory: str) -> None:
    claim = ProjectClaim(name="p", sandbox="main", directory=directory)
    with pytest.raises(Problem, match="must be an existing directory"):
        after(box(project_directory="/"), project=claim)
    assert after(box(), project=claim).project_directory is None
