"""What a sandbox may use, as settings of control groups."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path

import pytest

from sbxcompose.host.isolation import limits
from sbxcompose.host.isolation.limits import LimitsRefused, SandboxLimits, enforce, settings
from sbxcompose.host.keeper import cgroups


def test_each_limit_has_its_controller_in_both_versions() -> None:
    wanted = SandboxLimits(memory=64 << 20, cpus=0.5, processes=20)
    assert settings(wanted, modern=True) == {
        "memory": {"memory.max": "67108864", "[memory.swap.max]": "0"},
        "cpu": {"cpu.max": "50000 100000"},
        "pids": {"pids.max": "20"},
    }
    assert settings(wanted, modern=False) == {
        "memory": {"memory.limit_in_bytes": "67108864", "[memory.memsw.limit_in_bytes]": "67108864"},
        "cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
        "pids": {"pids.max": "20"},
    }


def test_what_is_not_limited_needs_no_group() -> None:
    assert settings(SandboxLimits(), modern=True) == {}
    assert list(settings(SandboxLimits(processes=1), modern=False)) == ["pids"]


def test_the_kernel_gets_no_smaller_share_than_it_takes() -> None:
    assert settings(SandboxLimits(cpus=0.001), modern=True)["cpu"] == {"cpu.max": "1000 100000"}


def patch_places(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    """Let these be the groups that this process is in."""
    for module in (cgroups, limits):
        monkeypatch.setattr(module, "places", lambda controller: list(found))


def test_a_machine_without_such_groups_is_a_refusal_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_places(monkeypatch)
    with pytest.raises(LimitsRefused, match="the control group controller `memory` is not available"):
        enforce("/state", "box", SandboxLimits(memory=1))
    patch_places(monkeypatch, "/proc/no-such-group")
    with pytest.raises(LimitsRefused, match="the control group /proc/no-such-group/sbxcompose-limits-"):
        enforce("/state", "box", SandboxLimits(memory=1))


class Unified:
    """A tree of groups of version 2 as the kernel keeps one: groups have controllers if the one above hands them on,
    and those with processes, but for the first, hand none on.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.written: list[str] = []
        self.closed: set[str] = set()
        self.busy: set[str] = set()
        patch.setattr(limits, "_write", self.write)
        patch.setattr(os, "access", self.access)
        patch.setattr(os, "makedirs", self.make)
        self.add("", "memory pids cpu")

    def add(self, name: str, controllers: str, handed_on: str = "") -> None:
        """Add a group as this machine has it."""
        group = self.root / name
        group.mkdir(exist_ok=True)
        (group / "cgroup.controllers").write_text(controllers)
        (group / "cgroup.subtree_control").write_text(handed_on)

    def name(self, path: str) -> str:
        """The group of a path, below the root."""
        return os.path.relpath(path, self.root)

    def access(self, path: str, _mode: int, **_: object) -> bool:
        """Whether a file of a group may be written to."""
        return self.name(os.path.dirname(path)) not in self.closed

    def make(self, path: str, exist_ok: bool) -> None:
        """Make a group."""
        assert exist_ok
        if not os.path.isdir(path):
            above = Path(path).parent / "cgroup.subtree_control"
            self.add(self.name(path), above.read_text() if above.exists() else "")

    def write(self, path: str, text: str) -> None:
        """Write to a file of a group."""
        group, file = self.name(os.path.dirname(path)), Path(path)
        if group in self.busy and group != ".":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if file.name == "cgroup.subtree_control":
            assert text.removeprefix("+") in (file.parent / "cgroup.controllers").read_text().split()
            file.write_text(f"{file.read_text()} {text.removeprefix('+')}")
        else:
            controller = file.name.partition(".")[0]
            assert controller in (file.parent / "cgroup.controllers").read_text().split()
            self.written.append(f"{group.rpartition('/')[2]}/{file.name} {text}")


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unified:
    """The groups of a session as systemd makes them; this process is in the last one."""
    tree = Unified(tmp_path, monkeypatch)
    (tmp_path / "cgroup.subtree_control").write_text("memory pids cpu")
    tree.add("user.slice", "memory pids cpu", "memory pids")
    tree.add("user.slice/session.scope", "memory pids")
    tree.busy = {"user.slice/session.scope"}
    patch_places(monkeypatch, str(tmp_path / "user.slice/session.scope"))
    return tree


ALL = SandboxLimits(memory=5, cpus=1, processes=3)


def test_the_groups_are_made_above_the_one_that_has_processes(unified: Unified) -> None:
    (group,) = enforce("/state", "box", ALL)
    assert os.path.dirname(os.path.dirname(group)) == str(unified.root / "user.slice")
    assert unified.written == ["box/memory.max 5", "box/cpu.max 100000 100000", "box/pids.max 3"]
    assert (unified.root / "user.slice/cgroup.subtree_control").read_text().split() == ["memory", "pids", "cpu"]
    assert enforce("/state", "box", ALL) == [group]


def test_one_group_has_all_limits_however_the_controllers_are_handed_on(unified: Unified) -> None:
    unified.add("user.slice", "memory pids", "memory pids")
    (group,) = enforce("/state", "box", ALL)
    assert os.path.dirname(os.path.dirname(group)) == str(unified.root)


def test_a_group_of_which_nothing_may_be_moved_is_not_taken(unified: Unified, monkeypatch: pytest.MonkeyPatch) -> None:
    unified.closed = {".", "user.slice", "user.slice/session.scope"}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LimitsRefused) as raised:
        enforce("/state", "box", SandboxLimits(memory=5, processes=3))
    assert re.fullmatch(
        r"the control group .*/user\.slice/session\.scope/sbxcompose-limits-\d+-[0-9a-f]{8}: permission denied;"
        r" start the host with `systemd-run --user --scope sbxcompose host serve -d`, or as root",
        str(raised.value),
    )


remove_directory = os.rmdir


class NotingLock:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self, contended: threading.Event) -> None:
        self._lock = threading.Lock()
        self._contended = contended

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._contended.set()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def remove_group(path: str) -> None:
    """Remove a group as the kernel does: its files are no obstacle, groups in it are."""
    for name in os.listdir(path):
        if os.path.isdir(f"{path}/{name}"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    for name in os.listdir(path):
        os.unlink(f"{path}/{name}")
    remove_directory(path)


def test_a_group_can_be_made_while_that_of_the_last_sandbox_is_removed(
    unified: Unified, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = threading.Event()

    def remove() -> None:
        try:
            limits.remove("/state", "last")
        finally:
            decided.set()

    remover = threading.Thread(target=remove)

    def write(path: str, text: str) -> None:
        if "sbxcompose-limits-" in path and not remover.ident:
            remover.start()
            decided.wait()
        unified.write(path, text)

    monkeypatch.setattr(limits, "_write", write)
    monkeypatch.setattr(limits, "_lock", NotingLock(decided))
    monkeypatch.setattr(os, "rmdir", remove_group)
    (group,) = enforce("/state", "box", SandboxLimits(memory=5))
    remover.join()
    assert os.path.isdir(group)
    assert os.path.dirname(os.path.dirname(group)) == str(unified.root / "user.slice")


def test_all_groups_of_a_sandbox_are_removed(unified: Unified) -> None:
    (group,) = enforce("/state", "box", ALL)
    for made in (group, os.path.dirname(group)):
        for file in os.listdir(made):
            if os.path.isfile(f"{made}/{file}"):  # a group of the kernel needs no emptying
                os.unlink(f"{made}/{file}")
    limits.remove("/state", "box")
    assert not os.path.exists(os.path.dirname(group))
