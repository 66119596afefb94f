"""Where control groups may be made, by what /proc says of mounts and memberships; and a group of either version."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from sbxcompose.host.keeper import freezer
from sbxcompose.host.keeper.cgroups import FreezerGroup, hold, places, sweep
from sbxcompose.host.keeper.freezer import Freezer, bases_for

V2 = "31 23 0:28 {root} {mount} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "37 31 0:34 {root} {mount} rw,relatime shared:3 - cgroup cgroup rw,{names}\n"
OTHER = "22 1 8:1 / / rw - ext4 /dev/sda1 rw,freezer\n"


def proc(directory: Path, mounts: str, own: str) -> str:
    (directory / "mountinfo").write_text(mounts)
    (directory / "cgroup").write_text(own)
    return str(directory)


def v2(mount: str, root: str = "/") -> str:
    return V2.format(mount=mount, root=root)


def v1(mount: str, names: str, root: str = "/") -> str:
    return V1.format(mount=mount, names=names, root=root)


@pytest.mark.parametrize(
    "mounts, own, found",
    [
        (v2("/sys/fs/cgroup"), "0::/user.slice/a.scope\n", ["/sys/fs/cgroup/user.slice/a.scope"]),
        (v2("/sys/fs/cgroup"), "0::/\n", ["/sys/fs/cgroup"]),
        (v2("/c", root="/docker/1"), "0::/docker/1/sub\n", ["/c/sub"]),
        (v2("/c", root="/docker/1"), "0::/docker/1\n", ["/c"]),
        (v2("/c", root="/docker/1"), "0::/docker/12\n", []),
        (v2("/c"), "0::/../outside\n", []),
        (v2("/with\\040blank"), "0::/a:b\n", ["/with blank/a:b"]),
        (v1("/c/freezer", "freezer"), "6:freezer:/x\n4:memory:/y\n", ["/c/freezer/x"]),
        (v1("/c/both", "cpu,freezer"), "6:cpu,freezer:/x\n", ["/c/both/x"]),
        (v1("/c/memory", "memory"), "4:memory:/y\n", []),
        (v1("/c/freezer", "freezer") + v2("/c/unified"), "6:freezer:/x\n0::/z\n", ["/c/unified/z", "/c/freezer/x"]),
        (OTHER, "0::/\n", []),
        ("", "", []),
    ],
)
def test_a_place_is_where_we_are_ourselves(tmp_path: Path, mounts: str, own: str, found: list[str]) -> None:
    assert places("freezer", proc(tmp_path, OTHER + mounts, own)) == found


def test_without_proc_there_is_no_place(tmp_path: Path) -> None:
    assert places("freezer", str(tmp_path / "none")) == []


@pytest.fixture(params=["cgroup.freeze", "freezer.state"])
def group(request: pytest.FixtureRequest, tmp_path: Path) -> FreezerGroup:
    """A directory with the files of a group, of version 2 or 1."""
    for name in (request.param, "cgroup.procs", "cgroup.events"):
        (tmp_path / name).touch()
    return FreezerGroup.make(str(tmp_path))


def test_a_group_is_told_to_freeze_and_to_thaw(group: FreezerGroup, tmp_path: Path) -> None:
    modern = (tmp_path / "cgroup.freeze").exists()
    group.freeze()
    assert (tmp_path / ("cgroup.freeze" if modern else "freezer.state")).read_text() == ("1" if modern else "FROZEN")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert group.frozen
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    (tmp_path / "freezer.state").write_text("FREEZING\n")
    again = FreezerGroup(str(tmp_path))
    assert not again.frozen
    again.thaw()
    if modern:
        assert (tmp_path / "cgroup.freeze").read_text() == "0"


def test_a_group_knows_who_is_in_it(group: FreezerGroup, tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("12\n13\n")
    assert group.members() == {12, 13}
    assert group.add(14)
    assert (tmp_path / "cgroup.procs").read_text().startswith("14")


def test_a_directory_that_is_not_a_group_is_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be frozen"):
        FreezerGroup.make(str(tmp_path / "unit"))
    assert list(tmp_path.iterdir()) == []


def test_a_host_has_the_same_place_each_time_and_another_host_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SBXCOMPOSE_CGROUPS", raising=False)
    assert bases_for("fe00:1") == bases_for("fe00:1")
    assert not set(bases_for("fe00:1")) & set(bases_for("fe00:2"))
    monkeypatch.setenv("SBXCOMPOSE_CGROUPS", "no")
    assert bases_for("fe00:1") == []


def test_what_an_ended_host_has_left_empty_is_removed(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "unit-a.1").mkdir(parents=True)
    Freezer([str(base), str(tmp_path / "none")]).clear()
    assert not base.exists()


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    "stops_at, ready_until, waited",
    [(0.0, 0.0, 0.0), (0.5, 0.0, 0.5), (9.0, 0.0, 2.0), (9.0, 9.0, 9.0), (99.0, 99.0, 20.0), (99.0, 5.0, 5.0)],
)
def test_what_has_not_had_its_turn_is_waited_for_longer(
    stops_at: float, ready_until: float, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(freezer, "monotonic", clock.monotonic)
    monkeypatch.setattr(freezer, "time", clock)
    monkeypatch.setattr(freezer, "PAUSE", 0.25)
    stopped = freezer.wait_stopped(lambda: clock.now >= stops_at, lambda: clock.now < ready_until)
    assert (stopped, clock.now) == (stops_at <= waited, waited)


def test_groups_of_hosts_that_have_ended_are_removed_and_others_stay(tmp_path: Path) -> None:
    own, limits = f"sbxcompose-{os.getuid()}-", f"sbxcompose-limits-{os.getuid()}-"
    held = hold(f"{tmp_path}/{limits}00000001")
    for name in (f"{own}00000002/unit-web", f"{limits}00000003/box/inner", f"{limits}00000001/box"):
        (tmp_path / name).mkdir(parents=True)
    for name in (f"{limits}00000004/box", "sbxcompose-limits-4711-00000005", "another"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / f"{limits}00000004/box/in use").touch()  # as a process would: the directory cannot be removed
    sweep([str(tmp_path), str(tmp_path / "missing")])
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"{limits}00000001", f"{limits}00000004", "sbxcompose-limits-4711-00000005", "another"}
    assert (tmp_path / f"{limits}00000001/box").is_dir()
    os.close(held)
    sweep([str(tmp_path)])
    assert not (tmp_path / f"{limits}00000001").exists()


def test_a_group_that_another_host_removes_meanwhile_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / f"sbxcompose-{os.getuid()}-00000001"
    flock = fcntl.flock

    def late(fd: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        base.rmdir()
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    fd = hold(str(base))
    assert os.path.samestat(os.fstat(fd), base.stat())
    sweep([str(tmp_path)])
    assert base.is_dir()
    os.close(fd)
