"""Sandboxes where the file no longer has them."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from sbxcompose.api.sandbox_models import ProjectClaim, SandboxInfo
from sbxcompose.engine import cloud_places
from sbxcompose.engine.cloud_places import CloudPlace
from sbxcompose.engine.left_sandboxes import left_of
from sbxcompose.paths import CLOUD_PLACES
from sbxcompose.plan.observed import LeftSandbox
from sbxcompose.spec.project import Project, Sandbox

APP = Sandbox("app", "shop-app", ())
SHOP = Project("shop", "/srv/shop", "local", (APP,), files=("/srv/shop/sbxcompose.yaml",))


def info(name: str, *, project: str = "shop", directory: str = "/srv/shop", running: int = 1) -> SandboxInfo:
    claim = ProjectClaim(name=project, sandbox=name, directory=directory, file=None)
    return SandboxInfo(id=name, name=f"{project}-{name}", status="running", project=claim, live_processes=running)


def test_what_runs_in_a_sandbox_that_the_file_no_longer_has_is_left() -> None:
    others = [info("old", running=0), info("app", project="blog"), info("old", directory="/srv/other")]
    assert left_of(SHOP, [info("app"), *others]) == []
    assert left_of(SHOP, [info("app"), info("old", running=2), *others]) == [LeftSandbox("old", "shop-old", "local", 2)]


def test_a_sandbox_that_has_moved_to_another_provider_is_left_where_it_was() -> None:
    left = LeftSandbox("app", "shop-app", "local", 1, moved_to="tensorlake")
    assert left_of(replace(SHOP, provider="tensorlake"), [info("app")]) == [left]
    assert left_of(replace(SHOP, sandboxes=(replace(APP, provider="tensorlake"),)), [info("app")]) == [left]
    assert (
        left_of(replace(SHOP, provider="tensorlake", sandboxes=(replace(APP, provider="local"),)), [info("app")]) == []
    )


def test_what_has_been_used_in_the_cloud_is_remembered_until_it_is_terminated(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    place, other = CloudPlace("shop-app", "https://cloud default"), CloudPlace("shop-db", "https://cloud default")
    cloud_places.note("shop", "/srv/shop", environ, {"app": place})
    cloud_places.note("shop", "/srv/shop", environ, {"db": other})
    assert cloud_places.recall("shop", "/srv/shop", environ) == {"app": place, "db": other}
    assert cloud_places.recall("shop", "/srv/elsewhere", environ) == {}
    assert cloud_places.projects(environ) == {"shop": {"app": place, "db": other}}
    cloud_places.note("shop", "/srv/shop", environ, {"app": None})
    assert cloud_places.recall("shop", "/srv/shop", environ) == {"db": other}
    cloud_places.note("shop", "/srv/shop", environ, {"db": None})
    assert cloud_places.projects(environ) == {}


def test_a_damaged_record_of_places_counts_for_nothing(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    cloud_places.note("shop", "/srv/shop", environ, {"app": CloudPlace("shop-app", "x")})
    (path,) = (tmp_path / "sbxcompose" / CLOUD_PLACES).iterdir()
    assert path.stat().st_mode & 0o077 == 0
    for text in ("", "[]", '{"sandboxes": [1]}', '{"sandboxes": {"app": "x"}}', "\xff"):
        path.write_text(text)
        assert cloud_places.recall("shop", "/srv/shop", environ) == {}
        assert cloud_places.projects(environ) == {}
