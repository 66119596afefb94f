"""Snapshots of sandboxes in which the set-up is done: found before a sandbox is made, taken after its set-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from msgspec.structs import replace

from sbxcompose.engine.events import EventHandler, SandboxNote
from sbxcompose.engine.providers import Provider
from sbxcompose.engine.setup_cache import SetupCache, setup_digest
from sbxcompose.errors import ProviderError
from sbxcompose.plan.observed import Observed, ObservedSandbox
from sbxcompose.plan.world import GONE
from sbxcompose.spec.project import Project, Sandbox
from sbxcompose.tasks import gather_all


class SetupSnapshots:
    """Those of one project; `provider` gives where a sandbox lives, `emit` is told what could not be done."""

    def __init__(self, provider: Callable[[Sandbox], Provider], environ: Mapping[str, str], emit: EventHandler) -> None:
        self._provider = provider
        self._environ = environ
        self._emit = emit
        self._restored: set[str] = set()

    async def observe(self, project: Project, observed: Observed, *, anew: bool = False) -> Observed:
        """Return the same with the snapshots that sandboxes which have to be made can begin with.

        `anew`: those that differ from the file will be replaced.
        """
        wanted = {sandbox.name: sandbox for sandbox in project.sandboxes if setup_digest(sandbox) is not None}
        if not wanted:
            return observed

        async def with_snapshot(seen: ObservedSandbox) -> ObservedSandbox:
            sandbox = wanted.get(seen.name)
            if sandbox is None or not (seen.state in GONE or (anew and seen.differences)):
                return seen
            return replace(seen, setup_snapshot=await self._find(sandbox))

        return replace(observed, sandboxes=tuple(await gather_all(*map(with_snapshot, observed.sandboxes))))

    async def _find(self, sandbox: Sandbox) -> str | None:
        """Return the id of a snapshot that is still there."""
        cache = self._cache(sandbox)
        number = cache.find(sandbox)
        if number is not None and not await self._provider(sandbox).snapshots.is_ready(number):
            cache.forget(sandbox, number)
            return None
        return number

    def began(self, sandbox: Sandbox, number: str, start_from: str | None) -> None:
        """Note that the sandbox of that id runs. Only one that we have made has begun with the snapshot: another client
        may have made it meanwhile.
        """
        if start_from is not None and number in self._provider(sandbox).made:
            self._restored.add(sandbox.name)
            self._emit(SandboxNote(sandbox.name, "is restored from a snapshot in which its setup is done"))
        else:
            self._restored.discard(sandbox.name)

    def is_restored(self, sandbox: str) -> bool:
        """Return whether the set-up of the sandbox is done because of the snapshot that it has begun with."""
        return sandbox in self._restored

    async def take(self, sandbox: Sandbox, number: str) -> None:
        """Take a snapshot of the sandbox of that id if we have made it; a failure is only told: it is a cache."""
        provider = self._provider(sandbox)
        if number not in provider.made:
            return
        cache = self._cache(sandbox)
        try:
            superseded = cache.add(sandbox, (await provider.snapshots.take(number)).id)
        except (ProviderError, TimeoutError) as error:
            why = error.message if isinstance(error, ProviderError) else "the snapshot was not ready in time"
            self._emit(SandboxNote(sandbox.name, f"could not be saved as a snapshot of its setup: {why}"))
            return
        self._emit(SandboxNote(sandbox.name, "was saved as a snapshot; the next new sandbox starts from it"))
        for old in superseded:
            with suppress(ProviderError):  # it stays known, and the next one tries again
                await provider.snapshots.delete(old)
                cache.forget(sandbox, old)

    def _cache(self, sandbox: Sandbox) -> SetupCache:
        return SetupCache(self._provider(sandbox).scope, self._environ)
