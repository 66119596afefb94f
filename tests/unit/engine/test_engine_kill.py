"""`kill` reaches every process, whatever becomes of the first."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sbxcompose.engine.apply import kill
from sbxcompose.engine.session import Session
from sbxcompose.errors import ProviderError
from sbxcompose.plan.observed import Instance


class OneFailing:
    """A client that fails at once for the first process, and takes a moment for every other."""

    def __init__(self) -> None:
        self.killed: list[str] = []

    async def stop(self, name: str, **_: object) -> None:
        if name == "a":
            raise ProviderError("no such process")
        for _round in range(20):
            await asyncio.sleep(0)
        self.killed.append(name)


def test_one_that_cannot_be_killed_does_not_spare_the_others() -> None:
    client = OneFailing()
    instances = [Instance("main", name, 1) for name in ("a", "b", "c")]

    def rows(instance: Instance) -> list[Any]:
        return [SimpleNamespace(name=instance.process, instance=instance, live=True)]

    connection = SimpleNamespace(rows=rows, client=client)
    session = cast(Session, SimpleNamespace(connections={"main": connection}))
    with pytest.raises(ProviderError, match="no such process"):
        asyncio.run(kill(session, instances))
    assert client.killed == ["b", "c"]
