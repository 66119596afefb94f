"""Whether this machine can isolate sandboxes is asked again only where it was too busy to tell."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.isolation.root import IsolationProbe, is_transient
from sbxcompose.host.keeper.inits import TIMED_OUT


@pytest.mark.parametrize(
    "words, again",
    [
        (f"{TIMED_OUT} within 10 s", True),
        ("starting its init process: resource temporarily unavailable", True),
        ("making namespaces: cannot allocate memory", True),
        ("making namespaces: operation not permitted", False),
    ],
)
def test_a_refusal_is_remembered_unless_the_machine_was_busy(
    monkeypatch: pytest.MonkeyPatch, words: str, again: bool
) -> None:
    problems = [Problem(400, f"the sandbox cannot be isolated: {words}", "ISOLATION")]

    async def attempt(_probe: IsolationProbe) -> None:
        if problems:
            raise problems.pop()

    monkeypatch.setattr(IsolationProbe, "_try", attempt)

    async def check_twice() -> None:
        keeper: Any = None
        probe = IsolationProbe(Path("/nowhere"), keeper)
        first = await probe.refusal()
        assert first is not None
        assert is_transient(first) is again
        assert await probe.refusal() is (None if again else first)

    asyncio.run(check_twice())
