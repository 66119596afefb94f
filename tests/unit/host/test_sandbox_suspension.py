"""A suspension that fails half-way, and what becomes of the sandbox then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.keeper.client import KeeperClient
from sbxcompose.host.sandboxes.sandbox import HostedSandbox
from sbxcompose.host.sandboxes.workload import Workload
from sbxcompose.tasks import TaskOwner


class Freezing:
    """A keeper that can only freeze and thaw, or fail to."""

    def __init__(self, *, freezes: bool = True, thaws: bool = True) -> None:
        self.tasks = TaskOwner()
        self.freezes = freezes
        self.thaws = thaws
        self.asked: list[str] = []

    async def freeze_many(self, units: Sequence[str]) -> set[str]:
        self.asked.append("freeze")
        if not self.freezes:
            raise RuntimeError("the keeper failed: too many open files")
        return set(units)

    async def thaw_many(self, units: Sequence[str]) -> set[str]:
        self.asked.append("thaw")
        if not self.thaws:
            raise RuntimeError("the keeper failed: too many open files")
        return set(units)


def sandbox(directory: Path, keeper: Freezing) -> HostedSandbox:
    info = SandboxInfo(id="x", name="box", status="running", created_at=0)
    workload = Workload("x", directory, workdir=None, keeper=cast(KeeperClient, keeper), policy=None)
    return HostedSandbox(info, directory, workload)


async def at_rest(box: HostedSandbox) -> None:
    await box.wait_until(lambda: not box.in_transition)


def test_a_suspension_that_fails_is_undone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async def check() -> None:
        keeper = Freezing(freezes=False)
        box = sandbox(tmp_path, keeper)
        box.begin_to_suspend()
        await at_rest(box)
        assert (box.status, keeper.asked, box.workload.paused) == ("running", ["freeze", "thaw"], False)
        assert "cannot be frozen and is resumed: the keeper failed: too many open files" in capfd.readouterr().err

    asyncio.run(check())


def test_a_copy_of_what_cannot_be_suspended_fails_and_the_sandbox_continues(tmp_path: Path) -> None:
    async def check() -> None:
        keeper = Freezing(freezes=False)
        box = sandbox(tmp_path, keeper)
        with pytest.raises(Problem, match="cannot be frozen: the keeper failed"):
            async with box.while_frozen():
                raise AssertionError("it is not suspended")
        assert (box.status, keeper.asked, box.workload.paused) == ("running", ["freeze", "thaw"], False)

    asyncio.run(check())


def test_one_that_cannot_be_resumed_stays_suspended_and_can_be_resumed_later(tmp_path: Path) -> None:
    async def check() -> None:
        keeper = Freezing(thaws=False)
        box = sandbox(tmp_path, keeper)
        box.begin_to_suspend()
        await at_rest(box)
        with pytest.raises(Problem, match="cannot be resumed: the keeper failed"):
            async with box.proxy_request():
                raise AssertionError("it stands still")
        assert (box.status, box.workload.paused) == ("suspended", True)
        keeper.thaws = True
        async with box.proxy_request():
            assert (box.status, box.workload.paused) == ("running", False)

    asyncio.run(check())


def test_a_copy_that_is_given_up_lets_the_sandbox_continue(tmp_path: Path) -> None:
    async def check() -> None:
        keeper = Freezing()
        box = sandbox(tmp_path, keeper)
        with suppress(OSError):
            async with box.while_frozen():
                assert box.status == "snapshotting"
                raise OSError("no room")
        assert (box.status, keeper.asked) == ("running", ["freeze", "thaw"])

    asyncio.run(check())
