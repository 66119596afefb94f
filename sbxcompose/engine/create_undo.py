"""What an interrupted `up` has created in the cloud, or may have: terminated again, or named with the remedy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.engine import suspended
from sbxcompose.engine.down_mark import is_own
from sbxcompose.engine.pending import PendingHandler
from sbxcompose.errors import ProviderError
from sbxcompose.spec.project import Sandbox

LAST_ANSWER = 10.0
"""Seconds for which a command that is interrupted cleans up what it was creating."""
FINAL_POLLS = 3.0
"""Seconds of these in which what a create without an answer may have made is looked for (contract 2.7: about one)."""
NOT_ANSWERED = "not answered"
"""Completes "was requested and …"."""
Find = Callable[[Sandbox], Awaitable[SandboxInfo | None]]
"""Looks for a sandbox by its name."""


class CreateUndo:
    """`client` reaches a sandbox's daemon, `ended` collects the ids of what is terminated, `tell` says what is done."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        client: Callable[[SandboxInfo], SandboxClient],
        ended: set[str],
        tell: PendingHandler,
    ) -> None:
        self._lifecycle = lifecycle
        self._client = client
        self._ended = ended
        self._told = tell

    async def drop_unanswered(self, sandbox: Sandbox, find: Find, how: str = NOT_ANSWERED) -> None:
        """Terminate what a create may have made, which its name tells; `how` it was answered."""
        info = None
        with suppress(ProviderError, TimeoutError), self.cut_short(sandbox, f"was requested and {how}"):
            async with asyncio.timeout(FINAL_POLLS):
                info = await suspended.wait_until_known(lambda: find(sandbox))
        if info is not None:
            await self.drop(sandbox, info.id)
        else:
            self.tell_left(sandbox, f"was not found, but its creation was requested and {how}")

    async def drop(self, sandbox: Sandbox, number: str) -> None:
        """Terminate what we have just made, in an `up` that is interrupted, unless another client uses it already."""
        try:
            with self.cut_short(sandbox, "was not terminated"):
                await self._terminate_unused(sandbox, number)
        except (ProviderError, TimeoutError) as error:
            self.tell_left(sandbox, f"could not be terminated: {getattr(error, 'message', 'no answer in time')}")

    async def _terminate_unused(self, sandbox: Sandbox, number: str) -> None:
        async with asyncio.timeout(LAST_ANSWER):
            info = await self._lifecycle.find(number)
            if info is not None and info.status == "running" and await self._in_use(info):
                self._told(sandbox, "is left running: another client has started something in it", None)
                return
            await self._lifecycle.terminate(number)
            self._ended.add(number)
            self._told(sandbox, "was terminated: nothing had been started in it yet", None)

    async def _in_use(self, info: SandboxInfo) -> bool:
        """Return whether anything was started in a sandbox, but to prepare it; False where its daemon does not say."""
        try:
            rows = await self._client(info).processes()
        except ProviderError:
            return False
        return any(not is_own(row) and (row.status == "running" or row.managed is not None) for row in rows)

    @contextmanager
    def cut_short(self, sandbox: Sandbox, standing: str) -> Iterator[None]:
        """Say how the sandbox stands if the block is cut short by a second Ctrl-C."""
        try:
            yield
        except asyncio.CancelledError:
            self.tell_left(sandbox, f"{standing}: interrupted again")
            raise

    def tell_left(self, sandbox: Sandbox, why: str) -> None:
        """Say that a sandbox may have been left running, and what ends it."""
        self._told(sandbox, f"{why}; it may be running: `sbxcompose down --terminate` ends it", None)
