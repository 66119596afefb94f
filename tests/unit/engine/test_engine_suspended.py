"""Suspending and resuming when requests are lost, or wake the sandbox again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.engine import suspended
from sbxcompose.errors import Conflict, NotFound, Refused, Unreachable

APP = "shop-app"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspended, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(suspended, "SETTLING", 0.0)


class Cloud:
    """A sandbox that is in one of `states` after the other, one for each look; it stays in the last."""

    def __init__(self, *states: str | None, answer: Callable[[], bool] = lambda: True) -> None:
        self._states = list(states)
        self._answer = answer
        self.asked: list[str] = []

    async def find(self, name: str) -> SandboxInfo | None:
        status = self._states[0] if len(self._states) == 1 else self._states.pop(0)
        return None if status is None else SandboxInfo.read({"id": name, "status": status})

    async def suspend(self, name: str) -> bool:
        self.asked.append(f"suspend {name}")
        return self._answer()

    async def resume(self, name: str) -> bool:
        self.asked.append(f"resume {name}")
        return self._answer()


def broken(error: Exception) -> Callable[[], bool]:
    def answer() -> bool:
        raise error

    return answer


def suspend(cloud: Cloud) -> list[str]:
    asyncio.run(suspended.suspend(cast(Any, cloud), APP))
    return cloud.asked


def resume(cloud: Cloud) -> list[str]:
    asyncio.run(suspended.resume(cast(Any, cloud), APP))
    return cloud.asked


def test_a_suspension_is_asked_for_once_and_waited_for() -> None:
    assert suspend(Cloud("suspended")) == ["suspend shop-app"]
    assert suspend(Cloud("suspending", "suspending", "suspended")) == ["suspend shop-app"]


def test_a_sandbox_that_a_late_request_resumed_is_suspended_again() -> None:
    assert suspend(Cloud("running", "suspended")) == ["suspend shop-app"] * 2


@pytest.mark.parametrize("error", [Unreachable("lost"), Conflict("in transition", status=409)])
def test_a_request_that_was_lost_or_came_too_early_is_repeated(error: Exception) -> None:
    assert suspend(Cloud("running", "running", "suspended", answer=broken(error))) == ["suspend shop-app"] * 3
    assert resume(Cloud("suspended", "suspended", "running", answer=broken(error))) == ["resume shop-app"] * 2


def test_a_resumption_waits_for_the_suspension_under_way() -> None:
    assert resume(Cloud("suspending", "suspending", "suspended", "running")) == ["resume shop-app"]


def test_a_sandbox_that_is_gone_or_terminated_is_an_error() -> None:
    with pytest.raises(NotFound, match="is gone"):
        suspend(Cloud(None))
    with pytest.raises(Refused, match="is terminated, not suspended"):
        suspend(Cloud("terminated"))
