"""Sandboxes put to sleep and woken, outside of any plan: `pause` and `unpause`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

from sbxcompose.engine.providers import Provider
from sbxcompose.errors import SbxError, UnknownName, UnknownPattern
from sbxcompose.plan.names import is_pattern
from sbxcompose.spec.project import Project, Sandbox
from sbxcompose.tasks import finish_all


class Change(StrEnum):
    """What became of a sandbox; completes "app has been …"."""

    PAUSED = "paused"
    RESUMED = "resumed"
    NOTHING = "nothing"
    MISSING = "missing"


PauseReport = Callable[[Sandbox, Change | SbxError], None]


def chosen(project: Project, names: Sequence[str]) -> list[Sandbox]:
    """Return the sandboxes that names and patterns mean, by their names in the file; all without names.

    Raises `UnknownName`.
    """
    known = {sandbox.name: sandbox for sandbox in project.sandboxes}
    found: dict[str, None] = {}
    for name in names or known:
        selected = [other for other in known if other == name or fnmatchcase(other, name)]
        if not selected:
            raise (UnknownPattern if is_pattern(name) else UnknownName)("sandbox", name, known)
        found.update(dict.fromkeys(selected))
    return [known[name] for name in found]


async def pause(at: Callable[[Sandbox], Provider], sandboxes: Sequence[Sandbox], told: PauseReport) -> bool:
    """Suspend them side by side; whether none failed. `told` is called for each as it is done."""
    return await _change(at, sandboxes, told, lambda sandbox: at(sandbox).suspend(sandbox), "suspended", Change.PAUSED)


async def unpause(at: Callable[[Sandbox], Provider], sandboxes: Sequence[Sandbox], told: PauseReport) -> bool:
    """Resume them side by side; whether none failed."""
    return await _change(at, sandboxes, told, lambda sandbox: at(sandbox).resume(sandbox), "running", Change.RESUMED)


async def _change(
    at: Callable[[Sandbox], Provider],
    sandboxes: Sequence[Sandbox],
    told: PauseReport,
    change: Callable[[Sandbox], Awaitable[object]],
    wanted: str,
    done: Change,
) -> bool:
    async def outcome(sandbox: Sandbox) -> Change:
        info = await at(sandbox).find(sandbox)
        if info is None:
            return Change.MISSING
        if info.status == wanted:
            return Change.NOTHING
        await change(sandbox)
        return done

    async def one(sandbox: Sandbox) -> bool:
        try:
            told(sandbox, await outcome(sandbox))
        except SbxError as error:
            told(sandbox, error)
            return False
        return True

    return all(await finish_all(one(sandbox) for sandbox in sandboxes))
