"""Projects from a provider's list of sandboxes."""

from __future__ import annotations

from typing import Any

from sbxcompose.api.models import ManagedInfo, ProcessInfo, RestartConfig
from sbxcompose.api.sandbox_models import ProjectClaim, SandboxInfo
from sbxcompose.engine.projects import group, members, without_file
from sbxcompose.plan.names import ProcessNames
from sbxcompose.spec.project import RestartPolicy, StopPolicy


def box(name: str, project: str | None = None, sandbox: str = "main", **fields: Any) -> SandboxInfo:
    """A sandbox of this machine, or without `project` one of the cloud."""
    claim = None
    if project is not None:
        claim = ProjectClaim(name=project, sandbox=sandbox, directory=f"/home/{project}")
        fields = {"live_processes": 0, **fields}
    return SandboxInfo(**{"id": f"id-{name}", "name": name, "status": "running", "project": claim, **fields})


def process(name: str, started_at: int = 1, *, pid: int | None = 7, **managed: Any) -> ProcessInfo:
    status = "running" if pid is not None else "stopped"
    info = ManagedInfo(id=name, name=name, status=status, restart_count=0, restart=RestartConfig(), **managed)  # type: ignore[arg-type]
    return ProcessInfo(
        pid=pid or 7, status="running" if pid else "exited", command="run", started_at=started_at, managed=info, run=1
    )


def test_sandboxes_are_grouped_by_project() -> None:
    found = group(
        [
            box("shop-main", "shop", live_processes=2, created_at=5000),
            box("blog-main", "blog"),
            box("shop-db", "shop", "db", status="suspended", live_processes=1, created_at=3000),
            box("gone-main", "gone", status="terminated"),
        ]
    )
    assert [project.name for project in found] == ["blog", "shop"]
    shop = found[1]
    assert (shop.directory, shop.running, shop.since) == ("/home/shop", 3, 3.0)
    assert [(sandbox.name, sandbox.status) for sandbox in shop.sandboxes] == [("main", "running"), ("db", "suspended")]


def test_two_directories_with_one_name_are_two_projects() -> None:
    other = ProjectClaim(name="shop", sandbox="x", directory="/elsewhere")
    assert (
        len(
            group(
                [
                    box("shop-main", "shop"),
                    box("shop-x", project=None, id="2", **{"status": "running"}),
                ]
            )
        )
        == 2
    )
    assert (
        len(group([box("shop-main", "shop"), SandboxInfo(id="x", name="shop-x", status="running", project=other)])) == 2
    )


def test_in_the_cloud_a_sandbox_stands_for_itself() -> None:
    (found,) = group([box("shop-main")])
    assert (found.name, found.running, found.sandboxes[0].full_name) == (None, None, "shop-main")


def test_a_project_has_the_sandboxes_that_say_so() -> None:
    infos = [box("shop-main", "shop"), box("shop-admin-main", "shop-admin"), box("x", "shop", "cut")]
    assert {name: info.name for name, info in members("shop", infos).items()} == {"main": "shop-main", "cut": "x"}


def test_in_the_cloud_the_names_tell_as_far_as_they_are_clear() -> None:
    infos = [box("shop-main"), box("shop-admin-main"), box("other-main"), box("shop-old", status="terminated")]
    assert {name: info.name for name, info in members("shop", infos).items()} == {"main": "shop-main"}


def test_the_process_lists_tell_what_can_be_stopped() -> None:
    rows = [
        process("web.3f2a9c1d", 1, stop_signal=2, stop_grace_ms=500),
        process("web.2.3f2a9c1d", 2, stop_signal=2, stop_grace_ms=500),
        process("web.00000000", 0, pid=None),
        process("foreign", 3),
        process("@down.00000000", 4, pid=None),
    ]
    project = without_file("shop", "local", {"main": box("shop-main", "shop")}, {"main": rows})
    (web,) = project.processes()
    assert (web.name, web.digest, web.replicas, web.stop) == ("web", "3f2a9c1d", 2, StopPolicy(2, 0.5))
    assert web.restart.policy is RestartPolicy.ON_FAILURE
    assert ProcessNames(project).resolve("web.2").replica == 2
    assert (project.directory, project.sandboxes[0].full_name) == ("/home/shop", "shop-main")


def test_a_live_row_counts_more_than_a_later_one_that_has_ended() -> None:
    rows = [process("web.3f2a9c1d", 1), process("web.00000000", 2, pid=None)]
    project = without_file("shop", "local", {"main": box("shop-main", "shop")}, {"main": rows})
    assert next(project.processes()).digest == "3f2a9c1d"
