"""The provider `tensorlake`: sandboxes in the cloud, or on a host that stands in for it, by the contract alone."""

from __future__ import annotations

import asyncio
import random

from sbxcompose.api.addresses import Site, daemon_target
from sbxcompose.api.cloud import CloudChannel
from sbxcompose.api.cloud_errors import KeyRefused, RateLimited, create_refused
from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.outages import Outages
from sbxcompose.api.retries import RequestRetry
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import CreateRequest, SandboxInfo, ShortInfo
from sbxcompose.api.settings import API_KEY, CloudSettings
from sbxcompose.api.snapshots import SnapshotClient
from sbxcompose.clock import monotonic
from sbxcompose.engine import suspended
from sbxcompose.engine.cloud_requests import create_request, differences, updates
from sbxcompose.engine.create_undo import LAST_ANSWER, NOT_ANSWERED, CreateUndo
from sbxcompose.engine.daemon_site import daemon_site
from sbxcompose.engine.pending import PendingHandler, PendingReport
from sbxcompose.engine.prepare import prepare
from sbxcompose.errors import (
    ConfigurationError,
    Conflict,
    NotFound,
    ProviderError,
    Refused,
    Unavailable,
    Unreachable,
    Unsupported,
)
from sbxcompose.spec.project import Sandbox
from sbxcompose.tasks import TaskOwner, finish_all


class CloudProvider:
    """Sandboxes at the place that `settings` name."""

    def __init__(self, settings: CloudSettings, outages: Outages | None = None) -> None:
        self._settings = settings
        self._outages = outages
        if settings.key is None and not settings.api.loopback:
            raise ConfigurationError(
                f"no key for {settings.api}",
                hint=f"set {API_KEY}; or run sandboxes on this machine: `--provider local`",
            )
        self._channels: dict[Site, CloudChannel] = {}
        plane = settings.lifecycle
        self._lifecycle = Lifecycle(self._channel(plane.site), root=plane.path)
        self.snapshots = SnapshotClient(self._channel(plane.site), root=plane.path)
        self.made: set[str] = set()
        self._ids: dict[str, str] = {}
        """The ids of the sandboxes that were found or made, by their names."""
        self._unanswered: dict[str, str] = {}
        """What may have been made all the same, by the name of the sandbox: how its request was answered."""
        self._ended: set[str] = set()
        """The ids of those that we have ended: for about a second their names still lead to them (contract 2.7)."""
        self._prepared: set[tuple[str, str]] = set()
        self._making = TaskOwner(lambda error: None)  # whoever creates a sandbox has it
        self._told: PendingHandler = lambda sandbox, text, pending: None
        self._undo = CreateUndo(self._lifecycle, self.client, self._ended, lambda *said: self._told(*said))

    def listen(self, told: PendingHandler) -> None:
        """Have `told` called while a sandbox is waited for that is not running yet."""
        self._told = told

    async def find(self, sandbox: Sandbox) -> SandboxInfo | None:
        """Return the sandbox as it is now; None if there is none."""
        info = await self._lifecycle.find(sandbox.full_name)
        if info is None or info.status == "terminated" or info.id in self._ended:
            return None
        self._ids[sandbox.full_name] = info.id
        return info

    async def sandboxes(self) -> list[SandboxInfo]:
        """Return every sandbox of the account that is not terminated."""
        return [info for info in await self._lifecycle.sandboxes() if info.status != "terminated"]

    @property
    def scope(self) -> str:
        """The place and the namespace."""
        return f"{self._settings.lifecycle.site} {self._settings.namespace.value}"

    async def create(self, sandbox: Sandbox, start_from: str | None = None) -> SandboxInfo:
        """Create it, wait until it runs, and prepare it; terminate it again if it cannot be used."""
        if sandbox.mounts:
            raise Unsupported(
                f"sandbox {sandbox.name}: `mounts` show files of this machine, which a sandbox in the cloud cannot see",
                hint="copy them with `files`, or remove the key from the file",
            )
        try:
            return await self._create(sandbox, create_request(sandbox, start_from))
        except asyncio.CancelledError:
            if sandbox.full_name in self._unanswered:
                await self._undo_unanswered(sandbox)
            raise
        except Unreachable:
            if (how := self._unanswered.get(sandbox.full_name)) is not None:
                self._undo.tell_left(sandbox, f"was requested and {how}")
            raise

    async def _create(self, sandbox: Sandbox, request: CreateRequest) -> SandboxInfo:
        settling_since = monotonic()
        retry = RequestRetry(answered=True)  # the site has answered the look-up before this
        while True:
            try:
                made = await self._make(sandbox, request)
            except Conflict as error:
                # Another client has just made it, or it is suspended again already, or it is the one we have ended.
                info = await self.find(sandbox)
                waited = monotonic() - settling_since
                if info is None and waited > suspended.SETTLING:
                    raise self._refused(sandbox, error) from error
                if info is None:
                    await asyncio.sleep(suspended.pause_after(waited))
                    continue
                if (joined := await self._join(sandbox, info)) is not None:
                    return joined
            except Unreachable as error:
                self._not_made(sandbox, error)
                # It may have been made though the answer was lost, or still be on its way: then its name is taken.
                info = await self.find(sandbox)
                if info is not None and (joined := await self._join(sandbox, info)) is not None:
                    return joined
                if info is None:
                    pause = retry.pause(error, monotonic(), random.random())
                    if pause is None:
                        raise
                    await asyncio.sleep(pause)
                    continue
            else:
                return await self._finish(sandbox, made.sandbox_id)
            # It was joined for as long as it was pending: only now its name becomes free, and the site answers.
            settling_since = monotonic()
            retry = RequestRetry(answered=True)

    def _not_made(self, sandbox: Sandbox, error: Unreachable) -> None:
        """Take note that a create has failed which may have been carried out, and tell it once."""
        if isinstance(error, RateLimited):  # nothing was done
            return
        answered = isinstance(error, Unavailable)
        if answered and sandbox.full_name not in self._unanswered:
            self._told(sandbox, f"is not created yet, trying again: {error.message}", "")
        self._unanswered[sandbox.full_name] = "answered with an error" if answered else NOT_ANSWERED

    async def _make(self, sandbox: Sandbox, request: CreateRequest) -> ShortInfo:
        """Create it; if that is cancelled, wait a moment for the answer, which says what to terminate."""
        making = self._making.start(self._lifecycle.make(request))
        try:
            made = await asyncio.shield(making)
        except asyncio.CancelledError:
            await self._drop_answered(sandbox, making)
            raise
        except (Conflict, KeyRefused):
            raise
        except Refused as error:
            raise self._refused(sandbox, error) from error
        assert isinstance(made, ShortInfo)
        self._unanswered.pop(sandbox.full_name, None)
        return made

    def _refused(self, sandbox: Sandbox, error: Refused) -> Refused:
        return create_refused(sandbox.name, sandbox.full_name, self._settings.lifecycle.site, error)

    async def _drop_answered(self, sandbox: Sandbox, making: asyncio.Task[object]) -> None:
        """Terminate what a create makes that is under way, once it is answered."""
        try:
            with self._undo.cut_short(sandbox, "was requested and not answered"):
                async with asyncio.timeout(LAST_ANSWER):
                    made = await making
        except (Unreachable, TimeoutError):
            self._unanswered[sandbox.full_name] = NOT_ANSWERED
        except ProviderError:
            return  # it was refused
        else:
            assert isinstance(made, ShortInfo)
            self._unanswered.pop(sandbox.full_name, None)
            await self._undo.drop(sandbox, made.sandbox_id)

    async def _undo_unanswered(self, sandbox: Sandbox) -> None:
        how = self._unanswered.pop(sandbox.full_name)
        await self._undo.drop_unanswered(sandbox, self.find, how)

    async def _join(self, sandbox: Sandbox, info: SandboxInfo) -> SandboxInfo | None:
        """Return a sandbox that another client made, once it runs; None if it is terminated before.

        The other client does that when it is interrupted (`CreateUndo`); we do, where we may have made it ourselves.
        """
        asked = sandbox.full_name in self._unanswered
        self._unanswered.pop(sandbox.full_name, None)
        try:
            if info.status in ("suspended", "suspending"):
                return await self.resume(sandbox)
            return await self._until_running(sandbox, info.id)
        except NotFound:
            self._ids.pop(sandbox.full_name, None)
            self._ended.add(info.id)
            self._told(sandbox, "was terminated before it was running; creating another", "")
            return None
        except asyncio.CancelledError:
            if asked:
                await self._undo.drop(sandbox, info.id)
            raise

    async def _finish(self, sandbox: Sandbox, number: str) -> SandboxInfo:
        """Return what we have made, once it can be used; terminate it if it never can be, or if this is cancelled."""
        try:
            info = await self._named(sandbox, number)
            if info.status != "running":
                info = await self._until_running(sandbox, info.id, info)
            await self.prepare(sandbox, info)
        except Unsupported:
            await self._lifecycle.terminate(number)
            raise
        except asyncio.CancelledError:
            await self._undo.drop(sandbox, number)
            raise
        self._ids[sandbox.full_name] = info.id
        self.made.add(info.id)
        return info

    async def _until_running(self, sandbox: Sandbox, number: str, seen: SandboxInfo | None = None) -> SandboxInfo:
        """Wait until the sandbox runs; `seen` is how it stood a moment ago."""
        report = PendingReport()

        def on_poll(info: SandboxInfo, waited: float) -> None:
            if (text := report(info, waited)) is not None:
                self._told(sandbox, text, report.reason)

        if seen is not None:
            on_poll(seen, 0.0)
        return await suspended.wait_for_status(self._lifecycle, number, "running", on_poll=on_poll)

    async def _named(self, sandbox: Sandbox, number: str) -> SandboxInfo:
        """Return what was made. Raises `Unsupported` if it could not be found again by its name."""
        name = sandbox.full_name
        info = await suspended.wait_until_known(lambda: self._lifecycle.find(number))
        if info is None:
            raise Unsupported(
                f"sandbox {sandbox.name}: {self._settings.api} does not find the sandbox it just created ({number})"
            )
        if info.name == name:
            return info
        if info.name is None:  # it may only not say so
            found = await suspended.wait_until_known(lambda: self.find(sandbox))
            if found is not None and found.id == info.id:
                return info
        called = f"named it `{info.name}`" if info.name is not None else "gave it no name"
        raise Unsupported(
            f"sandbox {sandbox.name}: {self._settings.api} was asked for the name `{name}` and {called}; "
            "the sandbox was terminated again",
            hint="sandboxes are found by their names: this server, or this key, cannot be used with `sbxcompose`",
        )

    async def prepare(self, sandbox: Sandbox, info: SandboxInfo, *, supervises: bool = False) -> bool:
        """Make its workspace, and check what its daemon supports; False if this was done before."""
        key = (info.id, sandbox.workspace)
        if key in self._prepared:
            return False
        await prepare(self.client(info), sandbox.name, sandbox.workspace, known=supervises)
        self._prepared.add(key)
        return True

    async def claim(self, sandbox: Sandbox, info: SandboxInfo) -> SandboxInfo:
        """Return it unchanged: the contract has no owners."""
        return info

    async def suspend(self, sandbox: Sandbox) -> None:
        """Suspend it and wait until it is suspended."""
        await suspended.suspend(self._lifecycle, self._reference(sandbox))

    async def resume(self, sandbox: Sandbox) -> SandboxInfo:
        """Resume it and wait until it runs."""
        return await suspended.resume(self._lifecycle, self._reference(sandbox))

    async def terminate(self, sandbox: Sandbox) -> None:
        """Terminate it, and wait until its name is free: the next command must not meet it (contract 2.7)."""
        if sandbox.full_name not in self._ids and await self.find(sandbox) is None:
            return
        number = self._ids.pop(sandbox.full_name)
        await self._lifecycle.terminate(number)
        self._ended.add(number)
        begun = monotonic()
        while (waited := monotonic() - begun) < suspended.SETTLING:
            found = await self._lifecycle.find(sandbox.full_name)
            if found is None or found.status == "terminated" or found.id != number:
                return
            await asyncio.sleep(suspended.pause_after(waited))

    def _reference(self, sandbox: Sandbox) -> str:
        """Return the id of a sandbox that was found or made, as a name may still mean an earlier one; else its name."""
        return self._ids.get(sandbox.full_name, sandbox.full_name)

    def differences(self, sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
        """Compare what only a new sandbox could change."""
        return differences(sandbox, info)

    def updates(self, sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
        """Compare what `update` can change."""
        return updates(sandbox, info)

    async def update(self, sandbox: Sandbox) -> None:
        """Give it the ports, network policy, sizes and file systems of the file, as far as they differ."""
        from sbxcompose.engine.update_sandbox import update_sandbox  # few commands change a sandbox

        info = await self._lifecycle.find(self._reference(sandbox))
        if info is not None:
            await update_sandbox(self._lifecycle, sandbox, info)

    def client(self, info: SandboxInfo) -> SandboxClient:
        """Return a client for its daemon. Raises `Refused` if it is at a place to which the key must not go."""
        target = daemon_target(daemon_site(self._settings, info), info.id)
        return SandboxClient(
            self._channel(target.site), info.id, info.extensions, target.headers, lambda: self._is_suspended(info.id)
        )

    async def _is_suspended(self, number: str) -> bool:
        """Ask the control plane; where it does not answer, the daemon may."""
        try:
            info = await self._lifecycle.find(number)
        except ProviderError:
            return False
        return info is not None and info.status in ("suspending", "suspended")

    async def close(self) -> None:
        """Close all connections."""
        await self._making.close()
        await finish_all(channel.close() for channel in self._channels.values())

    def _channel(self, site: Site) -> CloudChannel:
        found = self._channels.get(site)
        if found is None:
            known = self._settings
            found = self._channels[site] = CloudChannel(
                site, known.key, known.headers(), self._outages, silence=known.silence
            )
        return found
