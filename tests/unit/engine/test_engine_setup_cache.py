"""Which snapshot a new sandbox begins with, and when its set-up counts as done because of that."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from sbxcompose.api.sandbox_models import SnapshotInfo
from sbxcompose.engine.events import EngineEvent, SandboxNote
from sbxcompose.engine.setup_cache import FILE, SetupCache, setup_digest
from sbxcompose.engine.setup_snapshots import SetupSnapshots
from sbxcompose.errors import Refused
from sbxcompose.plan.observed import Observed, ObservedSandbox, SandboxState
from sbxcompose.spec.project import Process, Project, Sandbox

SETUP = (Process("app", "@setup1", ("true",), "aaaaaaaa"), Process("app", "@setup2", ("true",), "bbbbbbbb"))
APP = Sandbox("app", "shop-app", (*SETUP, Process("app", "web", ("x",), "cccccccc")), setup_cache="snapshot")
SHOP = Project("shop", "/shop", "tensorlake", (APP,))


def test_the_result_of_a_setup_is_identified_by_what_it_depends_on() -> None:
    same = replace(APP, ports=(80,), processes=SETUP)
    others = [replace(APP, image="x"), replace(APP, workspace="/w"), replace(APP, processes=SETUP[:1])]
    assert setup_digest(APP) == setup_digest(same) is not None
    assert len({setup_digest(APP), *map(setup_digest, others)}) == 4
    assert setup_digest(replace(APP, setup_cache="none")) is None
    assert setup_digest(replace(APP, processes=APP.processes[2:])) is None


@pytest.fixture
def cache(tmp_path: Path) -> SetupCache:
    return SetupCache("https://cloud default", {"SBXCOMPOSE_STATE_DIR": str(tmp_path)})


def test_a_snapshot_is_found_by_what_it_holds(cache: SetupCache, tmp_path: Path) -> None:
    other = replace(APP, image="x")
    assert cache.find(APP) is None
    assert cache.add(APP, "s1") == []
    assert cache.add(other, "s2") == []
    assert (cache.find(APP), cache.find(other)) == ("s1", "s2")
    assert cache.find(replace(APP, full_name="shop-other")) is None
    assert SetupCache("local", {"SBXCOMPOSE_STATE_DIR": str(tmp_path)}).find(APP) is None
    assert cache.add(APP, "s3") == ["s1"], "the one that it replaces is of no use"
    assert cache.find(APP) == "s3"
    cache.forget(APP, "s1")
    cache.forget(APP, "s3")
    assert (cache.find(APP), cache.find(other)) == (None, "s2")
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_a_few_are_kept_and_the_others_known_until_they_are_deleted(cache: SetupCache) -> None:
    superseded = [cache.add(replace(APP, image=str(number)), f"s{number}") for number in range(5)]
    assert superseded == [[], [], [], ["s0"], ["s0", "s1"]]
    cache.forget(APP, "s0")
    assert cache.add(replace(APP, image="5"), "s5") == ["s1", "s2"]


def test_a_damaged_file_is_as_none(cache: SetupCache, tmp_path: Path) -> None:
    for text in ("{", "[]", '{"https://cloud default shop-app": 3}'):
        (tmp_path / FILE).write_text(text)
        assert cache.find(APP) is None
    cache.add(APP, "s1")
    assert cache.find(APP) == "s1"


class Cloud:
    """A provider of snapshots."""

    def __init__(self) -> None:
        self.made = {"id1"}
        self.scope = "cloud"
        self.there = {"old"}
        self.refuses = False
        self.snapshots = self

    async def take(self, number: str) -> SnapshotInfo:
        if self.refuses:
            raise Refused("no more", status=400)
        self.there.add(f"of {number}")
        return SnapshotInfo(id=f"of {number}", sandbox_id=number, status="completed")

    async def is_ready(self, number: str) -> bool:
        return number in self.there

    async def delete(self, number: str) -> None:
        self.there.remove(number)


class Rig:
    """The snapshots of a project, and what they tell."""

    def __init__(self, directory: Path) -> None:
        self.cloud = Cloud()
        self.told: list[EngineEvent] = []
        environ = {"SBXCOMPOSE_STATE_DIR": str(directory)}
        self.snapshots = SetupSnapshots(lambda sandbox: cast(Any, self.cloud), environ, self.told.append)

    def seen(self, state: SandboxState, differences: tuple[str, ...] = (), *, anew: bool = False) -> str | None:
        observed = Observed((ObservedSandbox("app", state, differences=differences),))
        return asyncio.run(self.snapshots.observe(SHOP, observed, anew=anew)).sandboxes[0].setup_snapshot

    def take(self, number: str) -> None:
        asyncio.run(self.snapshots.take(APP, number))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_sandbox_that_has_to_be_made_begins_with_the_snapshot(rig: Rig) -> None:
    assert rig.seen(SandboxState.MISSING) is None
    rig.take("id1")
    assert rig.seen(SandboxState.MISSING) == rig.seen(SandboxState.TERMINATED) == "of id1"
    assert rig.seen(SandboxState.RUNNING) is None
    assert rig.seen(SandboxState.RUNNING, ("image",)) is None
    assert rig.seen(SandboxState.RUNNING, ("image",), anew=True) == "of id1"
    rig.cloud.there.clear()
    assert rig.seen(SandboxState.MISSING) is None, "it was deleted meanwhile"


def test_only_what_this_command_has_made_is_kept_and_counts_as_restored(rig: Rig) -> None:
    rig.take("of another client")
    assert rig.cloud.there == {"old"}
    rig.snapshots.began(APP, "of another client", "old")
    assert not rig.snapshots.is_restored("app")
    rig.snapshots.began(APP, "id1", "old")
    assert rig.snapshots.is_restored("app")
    rig.snapshots.began(APP, "id1", None)
    assert not rig.snapshots.is_restored("app")


def test_a_snapshot_that_cannot_be_taken_is_not_a_failure(rig: Rig) -> None:
    rig.cloud.refuses = True
    rig.take("id1")
    assert rig.told == [SandboxNote("app", "could not be saved as a snapshot of its setup: no more")]
