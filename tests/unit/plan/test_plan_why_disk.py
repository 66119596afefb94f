"""A full disk of a sandbox is told with every process that it may concern."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sbxcompose.plan.observed import FullDisk, Instance, Observed, ObservedSandbox, SandboxState
from sbxcompose.plan.why import Cause, Explanation
from sbxcompose.plan.why_disk import with_disk

FULL = Observed((ObservedSandbox("app", SandboxState.RUNNING, full_disk=FullDisk("8.0 kB of 25 MB are free")),))
FAILED = Explanation(Instance("app", "web"), "web", Cause.FAILED, ("web exited with code 3",), "look at its logs")


def test_a_full_disk_is_reported_after_what_is_wrong() -> None:
    told = with_disk(FAILED, FULL)
    assert told.lines == (
        "web exited with code 3",
        "the disk of sandbox app is full: 8.0 kB of 25 MB are free (`resources.disk`)",
    )
    assert told.hint is not None
    assert "raise `resources.disk`" in told.hint


def test_a_full_disk_of_the_machine_is_reported_as_such() -> None:
    told = with_disk(FAILED, Observed((replace(FULL.sandboxes[0], full_disk=FullDisk("0 B are free", True)),)))
    assert told.lines[1:] == ("the disk of this machine that holds the disk of sandbox app is full: 0 B are free",)
    assert told.hint == "free space on the disk that holds the host's state"


def test_a_disk_that_is_read_only_is_not_helped_by_deleting_files() -> None:
    told = with_disk(
        FAILED, Observed((replace(FULL.sandboxes[0], full_disk=FullDisk("9 MB are free", read_only=True)),))
    )
    assert told.lines[1:] == (
        "the disk of sandbox app is read-only: writes to the disk of this machine below it have failed"
        " (9 MB are free there now)",
    )
    assert told.hint is not None
    assert told.hint.startswith("free space on the disk that holds the host's state, stop everything in the sandbox")
    assert "delete" not in told.hint


@pytest.mark.parametrize("cause", [Cause.COMPLETED, Cause.INACTIVE, Cause.SANDBOX])
def test_nothing_is_reported_where_it_does_not_matter(cause: Cause) -> None:
    found = replace(FAILED, cause=cause)
    assert with_disk(found, FULL) == found


def test_nothing_is_told_of_the_disk_of_another_sandbox() -> None:
    found = replace(FAILED, instance=Instance("other", "web"))
    assert with_disk(found, FULL) == found
    assert with_disk(FAILED, Observed((ObservedSandbox("app", SandboxState.RUNNING),))) == FAILED
