"""Sandboxes put to sleep and woken, outside of any plan: `pause` and `unpause`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from sbxcompose.engine.providers import Provider
from sbxcompose.errors import SbxError, UnknownName
from sbxcompose.spec.project import Project, Sandbox


class Change(StrEnum):
    """What became of a sandbox; completes "app has been …"."""

    PAUSED = "paused"
    RESUMED = "resumed"
    NOTHING = "nothing"
    MISSING = "missing"


Told = Callable[[Sandbox, Change | SbxError], None]


def chosen(project: Project, names: Sequence[str]) -> list[Sandbox]:
    """The sandboxes that `names` mean, by their names in the file; all, if there are none. Raises `UnknownName`."""
    known = {each.name: each for each in project.sandboxes}
    for name in names:
        if name not in known:
            raise UnknownName("sandbox", name, known)
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())


async def pause(provider: Provider, sandboxes: Sequence[Sandbox], told: Told) -> bool:
    """Suspend them side by side; whether none failed. `told` is called for each as it is done."""
    return await _each(sandboxes, lambda sandbox: _pause(provider, sandbox), told)


async def unpause(provider: Provider, sandboxes: Sequence[Sandbox], told: Told) -> bool:
    """Resume them side by side; whether none failed."""
    return await _each(sandboxes, lambda sandbox: _unpause(provider, sandbox), told)


async def _pause(provider: Provider, sandbox: Sandbox) -> Change:
    info = await provider.find(sandbox)
    if info is None:
        return Change.MISSING
    if info.status == "suspended":
        return Change.NOTHING
    await provider.suspend(sandbox)
    return Change.PAUSED


async def _unpause(provider: Provider, sandbox: Sandbox) -> Change:
    info = await provider.find(sandbox)
    if info is None:
        return Change.MISSING
    if info.status == "running":
        return Change.NOTHING
    await provider.resume(sandbox)
    return Change.RESUMED


async def _each(sandboxes: Sequence[Sandbox], change: Callable[[Sandbox], Awaitable[Change]], told: Told) -> bool:
    async def one(sandbox: Sandbox) -> bool:
        try:
            outcome: Change | SbxError = await change(sandbox)
        except SbxError as error:
            outcome = error
        told(sandbox, outcome)
        return not isinstance(outcome, SbxError)

    return all(await asyncio.gather(*(one(each) for each in sandboxes)))
