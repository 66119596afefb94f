"""Where sandboxes live: the host on this machine, started on first use, or the cloud."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.outages import Outages
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import CreateRequest, PatchRequest, SandboxInfo, SandboxMount
from sbxcompose.api.transport import HostAddress, Transport
from sbxcompose.engine.claims import check_claim, claim_of
from sbxcompose.engine.local_limits import changeable, disk_of, limits_of
from sbxcompose.engine.network import is_enforced, policy_of
from sbxcompose.engine.pending import PendingHandler
from sbxcompose.engine.suspended import resume, suspend
from sbxcompose.errors import Conflict, Unreachable, Unsupported
from sbxcompose.spec.machine import Mount
from sbxcompose.spec.project import Project, ProviderName, Sandbox

if TYPE_CHECKING:
    from sbxcompose.api.snapshots import SnapshotClient

TRIES = 5
PAUSE = 0.05
"""Seconds before what may not have been done is asked for again; doubled each time."""


class Provider(Protocol):
    """What the engine asks of a place where sandboxes live. Every method raises `ProviderError`s."""

    made: set[str]
    """The ids of the sandboxes that were made, and not only found."""

    def listen(self, told: PendingHandler) -> None:
        """Have `told` called while a sandbox is waited for that is not running yet."""

    async def find(self, sandbox: Sandbox) -> SandboxInfo | None:
        """Return the sandbox as it is now; None if there is none."""

    async def sandboxes(self) -> list[SandboxInfo]:
        """Return every sandbox that exists there, of any project."""

    @property
    def snapshots(self) -> SnapshotClient:
        """A client for its snapshots."""

    @property
    def scope(self) -> str:
        """What tells the place from others, for what this machine remembers of it."""

    async def create(self, sandbox: Sandbox, start_from: str | None = None) -> SandboxInfo:
        """Create it and wait until it runs; an equal one that another client created meanwhile is accepted."""

    async def claim(self, sandbox: Sandbox, info: SandboxInfo) -> SandboxInfo:
        """Make the project its owner where another directory was, whose claim has ended."""

    async def suspend(self, sandbox: Sandbox) -> None:
        """Put it to sleep with all that runs in it, and wait until it is; one that sleeps already is fine."""

    async def resume(self, sandbox: Sandbox) -> SandboxInfo:
        """Wake it and wait until it runs; one that runs already is fine."""

    async def terminate(self, sandbox: Sandbox) -> None:
        """End it and everything in it."""

    def differences(self, sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
        """Return the keys of the file from which it differs so that only a new sandbox would fit."""

    def updates(self, sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
        """Return the keys of the file from which it differs and that `update` would give it."""

    async def update(self, sandbox: Sandbox) -> None:
        """Give it the ports and the network policy of the file."""

    async def prepare(self, sandbox: Sandbox, info: SandboxInfo, *, supervises: bool = False) -> bool:
        """Do what a sandbox needs once before anything is started in it, whoever made it; False if we have already.

        `supervises`: its daemon is known to supervise processes. Raises `Unsupported` for one that cannot do what we
        need.
        """

    def client(self, info: SandboxInfo) -> SandboxClient:
        """Return a client for the daemon of a sandbox that was found or created."""

    async def close(self) -> None:
        """Close all connections."""


def providers_of(project: Project) -> frozenset[ProviderName]:
    """Return all places where sandboxes of the project live."""
    return frozenset(map(project.provider_of, project.sandboxes)) or frozenset([project.provider])


class ProjectProviders:
    """The providers of a project's sandboxes, each made when it is first asked for; `only` stands for all of them."""

    def __init__(
        self,
        project: Project,
        environ: Mapping[str, str],
        told: PendingHandler,
        outages: Outages | None = None,
        only: Provider | None = None,
    ) -> None:
        self._project = project
        self._environ = environ
        self._told = told
        self._outages = outages
        self._only = only
        self._made: dict[ProviderName, Provider] = {}

    def at(self, sandbox: Sandbox) -> Provider:
        """Return where a sandbox lives."""
        if self._only is not None:
            return self._only
        kind = self._project.provider_of(sandbox)
        if kind not in self._made:
            self._made[kind] = provider_of(self._project, self._environ, self._outages, kind)
            self._made[kind].listen(self._told)
        return self._made[kind]

    @property
    def given(self) -> bool:
        """Whether one provider stands for all of them."""
        return self._only is not None

    def in_use(self, kind: ProviderName) -> Provider | None:
        """Return the provider of a kind if it has been asked for already, else None."""
        return self._made.get(kind)

    async def close(self) -> None:
        """Close all connections."""
        for provider in self._made.values() if self._only is None else [self._only]:
            await provider.close()


class LocalProvider:
    """Sandboxes of the embedded host on this machine."""

    def __init__(self, project: Project, address: HostAddress, revive: Callable[[], Path | None] | None = None) -> None:
        self._project = project
        self._transport = Transport(address, revive)
        self._lifecycle = Lifecycle(self._transport)
        self.made: set[str] = set()

    def listen(self, told: PendingHandler) -> None:
        """Do nothing: a sandbox of this machine runs at once."""

    async def find(self, sandbox: Sandbox) -> SandboxInfo | None:
        """Return the sandbox; None if there is none. Raises `Conflict` if another directory works with it."""
        info = await self._lifecycle.find(sandbox.full_name)
        if info is not None:
            check_claim(self._project, sandbox, info)
        return None if info is None or info.status == "terminated" else info

    async def sandboxes(self) -> list[SandboxInfo]:
        """Return every sandbox of the host that is not terminated."""
        return [info for info in await self._lifecycle.sandboxes() if info.status != "terminated"]

    @property
    def snapshots(self) -> SnapshotClient:
        """A client for the host's snapshots."""
        from sbxcompose.api.snapshots import SnapshotClient  # few commands need one

        return SnapshotClient(self._transport)

    @property
    def scope(self) -> str:
        """The host of this machine and user."""
        return "local"

    async def create(self, sandbox: Sandbox, start_from: str | None = None) -> SandboxInfo:
        """Create it and wait until it runs. Raises `Unsupported` for what this machine cannot do."""
        refuse_cloud_only(sandbox)
        request = CreateRequest(
            name=sandbox.full_name,
            timeout_secs=0,
            exposed_ports=list(sandbox.ports) or None,
            network=policy_of(sandbox.network),
            project_directory=None if sandbox.copied else self._project.directory,
            project=claim_of(self._project, sandbox),
            snapshot_id=start_from,
            isolation=sandbox.isolation,
            limits=limits_of(sandbox),
            mounts=self._mounts(sandbox) or None,
            workspace=sandbox.workspace if sandbox.isolation != "none" else None,
        )
        made = None
        for attempt in range(1, TRIES + 1):
            try:
                made = await self._lifecycle.create(request)
                break
            except Conflict as error:
                if error.code == "PROJECT_DIRECTORY":
                    raise
                break  # another client has just created it, or we have and the answer was lost
            except Unreachable:
                if attempt == TRIES:
                    raise
                await asyncio.sleep(PAUSE * 2**attempt)
        info = await self.find(sandbox)
        if info is None:
            raise Unsupported(f"sandbox {sandbox.full_name} was terminated while it was being created")
        if made == info.id:
            self.made.add(info.id)
        return info

    def _mounts(self, sandbox: Sandbox) -> list[SandboxMount]:
        """Return what the sandbox sees of this machine. Raises `Unsupported` for what does not exist."""
        mounts = []
        for mount in sandbox.mounts:
            source = os.path.join(self._project.directory, os.path.expanduser(mount.source))
            if not os.path.exists(source):
                raise Unsupported(
                    f"sandbox {sandbox.name}: cannot mount {mount.source} at {mount.target}: no such file or directory",
                    hint=f"create {os.path.normpath(source)}, or remove the mount from the file",
                )
            mounts.append(SandboxMount(source=os.path.realpath(source), target=mount.target, read_only=mount.read_only))
        return mounts

    async def claim(self, sandbox: Sandbox, info: SandboxInfo) -> SandboxInfo:
        """Make the project its owner; `find` has refused a sandbox whose other claim still holds."""
        wanted = claim_of(self._project, sandbox)
        if info.project == wanted:
            return info
        return await self._lifecycle.update(sandbox.full_name, PatchRequest(project=wanted))

    async def suspend(self, sandbox: Sandbox) -> None:
        """Freeze it and wait until it is frozen."""
        await suspend(self._lifecycle, sandbox.full_name)

    async def resume(self, sandbox: Sandbox) -> SandboxInfo:
        """Thaw it and wait until it runs."""
        return await resume(self._lifecycle, sandbox.full_name)

    async def terminate(self, sandbox: Sandbox) -> None:
        """Terminate it and everything in it."""
        await self._lifecycle.terminate(sandbox.full_name)

    def differences(self, sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
        """Compare where its files are, and its network, which is decided when it is created.

        What describes a machine has no effect at this provider.
        """
        return (
            *(("workspace",) if sandbox.copied != (info.workspace_directory is not None) else ()),
            *(("network",) if not is_enforced(sandbox.network, info.network) else ()),
            *(("isolation",) if sandbox.isolation != info.isolation else ()),
            *(("resources.disk",) if disk_of(limits_of(sandbox)) != disk_of(info.limits) else ()),
            *(("mounts",) if _targets(sandbox.mounts) != _targets(info.mounts) else ()),
        )

    def updates(self, sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
        """Return the limits, if they are others: ports of this machine need not be opened."""
        wanted = changeable(limits_of(sandbox))
        return ("resources",) if wanted not in (None, changeable(info.limits)) else ()

    async def update(self, sandbox: Sandbox) -> None:
        """Give it the limits of the file."""
        await self._lifecycle.update(sandbox.full_name, PatchRequest(limits=changeable(limits_of(sandbox))))

    async def prepare(self, sandbox: Sandbox, info: SandboxInfo, *, supervises: bool = False) -> bool:
        """Do nothing: the project's directory is the workspace, or the host has made one."""
        return False

    def client(self, info: SandboxInfo) -> SandboxClient:
        """Return a client that uses the connection to the host."""
        return SandboxClient(self._transport, info.id, info.extensions)

    async def close(self) -> None:
        """Close the connections to the host."""
        self._transport.close()


def _targets(mounts: Iterable[Mount | SandboxMount]) -> set[tuple[str, bool]]:
    return {(mount.target, mount.read_only) for mount in mounts}


def provider_of(
    project: Project,
    environ: Mapping[str, str],
    outages: Outages | None = None,
    kind: ProviderName | None = None,
) -> Provider:
    """Return the provider of that kind, else the one that the project names, configured by `environ`.

    The local host is started if it is not running. `outages` hears of requests to a cloud that are made again.
    """
    if (kind or project.provider) == "local":
        return local_provider(project)
    from sbxcompose.api.settings import read_settings
    from sbxcompose.engine.cloud import CloudProvider

    return CloudProvider(read_settings(environ), outages)


def refuse_cloud_only(sandbox: Sandbox) -> None:
    """Raise `Unsupported` for what this machine cannot do and what must not be quietly ignored.

    `image`, `resources` and `timeout` describe the machine in the cloud; here processes run on this machine as it is,
    as the plan notes. A snapshot's contents and mounted file systems are promises. So is a network policy, of which
    the host knows what it can enforce.
    """
    refused = [
        key
        for key, present in (
            ("snapshot", sandbox.snapshot is not None),
            ("file_systems", bool(sandbox.file_systems)),
        )
        if present
    ]
    if refused:
        keys = ", ".join(f"`{key}`" for key in refused) + (" is" if len(refused) == 1 else " are")
        raise Unsupported(
            f"sandbox {sandbox.name}: {keys} not supported by the provider `local`",
            hint="use `provider: tensorlake`, or remove the key from the file",
        )


def local_provider(project: Project) -> LocalProvider:
    """Return the provider `local`; the host is started if it is not running."""
    from sbxcompose.engine.local_host.supported import require_linux

    require_linux()
    from sbxcompose.engine.local_host import launch

    return LocalProvider(project, HostAddress(path=str(launch.ensure_host())), launch.replace_killed)
