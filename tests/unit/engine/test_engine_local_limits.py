"""What limits a sandbox of this machine gets, and what is said of those that are not enforced."""

from __future__ import annotations

from typing import Any

from sbxcompose.api.sandbox_models import LimitsInfo, SandboxInfo
from sbxcompose.engine.local_limits import changeable, disk_of, full_disk, limits_of, unenforced
from sbxcompose.plan.observed import FullDisk
from sbxcompose.spec.machine import Resources
from sbxcompose.spec.project import Sandbox


def box(**fields: Any) -> Sandbox:
    return Sandbox("app", "shop-app", (), **fields)


def info(size: int | None, free: int | None, **more: Any) -> SandboxInfo:
    limits = None if size is None else LimitsInfo(disk=size)
    return SandboxInfo(id="x", namespace="default", status="running", limits=limits, disk_free=free, **more)


def test_a_disk_is_limited_in_an_isolated_sandbox_alone() -> None:
    wanted = Resources(memory=5, disk=7)
    assert limits_of(box(resources=wanted)) == LimitsInfo(memory=5)
    assert limits_of(box(resources=wanted, isolation="overlay")) == LimitsInfo(memory=5, disk=7)
    assert limits_of(box(resources=Resources(disk=7))) is None
    assert limits_of(box()) is None


def test_all_but_the_disk_can_be_changed() -> None:
    assert changeable(LimitsInfo(memory=5, disk=7, refused="x", disk_refused="y")) == LimitsInfo(memory=5)
    assert changeable(LimitsInfo(disk=7)) is None
    assert changeable(None) is None
    assert (disk_of(LimitsInfo(disk=7)), disk_of(None)) == (7, None)


def test_what_is_not_enforced_is_reported_by_its_key() -> None:
    assert list(unenforced(LimitsInfo(memory=5, disk=7))) == []
    assert list(unenforced(None)) == []
    assert list(unenforced(LimitsInfo(memory=5, disk=7, refused="no groups", disk_refused="no devices"))) == [
        "`resources` are not enforced: no groups",
        "`resources.disk` is not enforced: no devices",
    ]


def test_a_disk_is_full_below_one_percent() -> None:
    assert full_disk(info(100_000_000, 999_999)) == FullDisk("1.0 MB of 100 MB are free")
    assert full_disk(info(100_000_000, 1_000_000)) is None
    assert full_disk(info(None, None)) is None
    assert full_disk(info(100, None)) is None


def test_a_disk_is_full_as_well_when_that_of_the_machine_is() -> None:
    full = FullDisk("1.0 MB are free", of_machine=True)
    assert full_disk(info(None, None, machine_free=(1 << 20) - 1)) == full
    assert full_disk(info(100_000_000, 999_999, machine_free=(1 << 20) - 1)) == full
    assert full_disk(info(None, None, machine_free=1 << 20)) is None
    for size, free in ((100_000_000, 999_999), (None, None)):
        broken = FullDisk("1.0 MB are free", read_only=True)
        assert full_disk(info(size, free, machine_free=(1 << 20) - 1, disk_read_only=True)) == broken
