"""The provider `tensorlake`: sandboxes in the cloud, or on a host that stands in for it, by the contract alone."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sbxcompose.api.addresses import Site, daemon_target, may_have_key, parse_site
from sbxcompose.api.cloud import CloudChannel
from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import CreateRequest, PatchRequest, SandboxInfo
from sbxcompose.api.settings import API_KEY, API_URL, PROXY_URL, CloudSettings
from sbxcompose.engine import suspended
from sbxcompose.engine.network import is_enforced, policy_of
from sbxcompose.engine.prepare import prepare
from sbxcompose.errors import ConfigurationError, Conflict, Refused, Unreachable, Unsupported
from sbxcompose.spec.project import Resources, Sandbox

MIB = 1024 * 1024


class CloudProvider:
    """Sandboxes at the place that `settings` name."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        if settings.key is None and not settings.api.loopback:
            raise ConfigurationError(
                f"no key for {settings.api}", hint=f"set {API_KEY}; or run this machine's sandboxes: `--provider local`"
            )
        self._channels: dict[Site, CloudChannel] = {}
        plane = settings.lifecycle
        self._lifecycle = Lifecycle(self._channel(plane.site), root=plane.path)
        self._ids: dict[str, str] = {}
        """The ids of the sandboxes that were found or made, by their names."""
        self._ended: set[str] = set()
        """The ids of those that we have ended: for about a second their names still lead to them (contract 2.7)."""
        self._prepared: set[tuple[str, str]] = set()

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

    async def create(self, sandbox: Sandbox) -> SandboxInfo:
        """Create it, wait until it runs, and prepare it; terminate it again if it cannot be used."""
        begun = time.monotonic()
        while True:
            try:
                made = await self._lifecycle.make(create_request(sandbox))
            except Conflict:
                # Another client has just made it, or it is suspended again already, or it is the one we have ended.
                info = await self.find(sandbox)
                waited = time.monotonic() - begun
                if info is None and waited > suspended.SETTLING:
                    raise
                if info is None:
                    await asyncio.sleep(suspended.pause_after(waited))
                    continue
                if info.status in ("suspended", "suspending"):
                    return await self.resume(sandbox)
                return await self._until_running(info.id)
            except Unreachable:
                # It may have been made though the answer was lost, or still be on its way.
                info = await self.find(sandbox)
                if info is None:
                    raise
                return await self._until_running(info.id)
            return await self._finish(sandbox, made.sandbox_id)

    async def _finish(self, sandbox: Sandbox, number: str) -> SandboxInfo:
        """What we have made, once it can be used; it is ended if it never could be."""
        try:
            info = await self._named(sandbox, number)
            if info.status != "running":
                info = await self._until_running(info.id)
            await self.prepare(sandbox, info)
        except Unsupported:
            await self._lifecycle.terminate(number)
            raise
        self._ids[sandbox.full_name] = info.id
        return info

    async def _until_running(self, number: str) -> SandboxInfo:
        return await suspended.until(self._lifecycle, number, "running")

    async def _named(self, sandbox: Sandbox, number: str) -> SandboxInfo:
        """Return what was made. Raises `Unsupported` if it could not be found again by its name."""
        name = sandbox.full_name
        info = await suspended.appeared(lambda: self._lifecycle.find(number))
        if info is None:
            raise Unsupported(f"sandbox {sandbox.name}: {self._settings.api} does not know what it has made ({number})")
        if info.name == name:
            return info
        if info.name is None:  # it may only not say so
            found = await suspended.appeared(lambda: self.find(sandbox))
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
        begun = time.monotonic()
        while (waited := time.monotonic() - begun) < suspended.SETTLING:
            found = await self._lifecycle.find(sandbox.full_name)
            if found is None or found.status == "terminated" or found.id != number:
                return
            await asyncio.sleep(suspended.pause_after(waited))

    def _reference(self, sandbox: Sandbox) -> str:
        """The id of a sandbox that was found or made, since a name may still mean an earlier one; else its name."""
        return self._ids.get(sandbox.full_name, sandbox.full_name)

    def differences(self, sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
        """Compare what only a new sandbox could change."""
        return differences(sandbox, info)

    def updates(self, sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
        """Compare what `update` can change."""
        return updates(sandbox, info)

    async def update(self, sandbox: Sandbox) -> None:
        """Give it the ports and the network policy of the file; keys that the file lacks stay as they are."""
        wanted = create_request(sandbox)
        changes = PatchRequest(exposed_ports=wanted.exposed_ports, network=wanted.network)
        clear = sandbox.network is not None and wanted.network is None
        await self._lifecycle.update(self._reference(sandbox), changes, clear_network=clear)

    def client(self, info: SandboxInfo) -> SandboxClient:
        """Return a client for its daemon. Raises `Refused` if it is at a place to which the key must not go."""
        target = daemon_target(daemon_site(self._settings, info), info.id)
        return SandboxClient(self._channel(target.site), info.id, info.extensions, target.headers)

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    def _channel(self, site: Site) -> CloudChannel:
        found = self._channels.get(site)
        if found is None:
            found = self._channels[site] = CloudChannel(site, self._settings.key, self._settings.headers())
        return found


def daemon_site(settings: CloudSettings, info: SandboxInfo) -> Site:
    """Where a sandbox's daemon is reached (contract, section 1.4): where its info says, else the proxy that was named.

    Raises `Refused` when that is a place that the user has not named, for the key would go there.
    """
    told = parse_site(info.sandbox_url, f"sandbox {info.name or info.id}") if info.sandbox_url else None
    if told is not None and may_have_key(told, settings.named):
        return told
    if settings.proxy is not None:
        return settings.proxy
    name = info.name or info.id
    if told is None:
        raise Refused(
            f"sandbox {name}: {settings.api} does not say where it is reached", status=0, hint=f"set {PROXY_URL}"
        )
    raise Refused(
        f"sandbox {name} is said to be at {told}, which does not belong to {settings.api}: the key is not sent there",
        status=0,
        hint=f"if you trust that place, name it in {PROXY_URL}; {API_URL} is {settings.api_url.value}",
    )


def create_request(sandbox: Sandbox) -> CreateRequest:
    """Return the sandbox as the contract's create has it (section 2.2); what the file leaves out stays the provider's
    own.
    """
    return CreateRequest(
        name=sandbox.full_name,
        image=sandbox.image,
        snapshot_id=sandbox.snapshot,
        resources=_resources(sandbox.resources, inherited=sandbox.snapshot is not None),
        timeout_secs=sandbox.timeout,
        network=policy_of(sandbox.network),
        exposed_ports=list(sandbox.ports) or None,
        file_systems=[
            _mount(file_system.id, file_system.mount_path, file_system.read_only)
            for file_system in sandbox.file_systems
        ]
        or None,
    )


def _resources(wanted: Resources | None, *, inherited: bool) -> dict[str, Any] | None:
    """A snapshot brings its own; otherwise the two that the vendor's clients always send are sent, too."""
    if wanted is None:
        return None if inherited else {"cpus": 1.0, "memory_mb": 1024}
    found: dict[str, Any] = {} if inherited else {"cpus": 1.0, "memory_mb": 1024}
    if wanted.cpus is not None:
        found["cpus"] = wanted.cpus
    if wanted.memory is not None:
        found["memory_mb"] = -(-wanted.memory // MIB)
    if wanted.disk is not None:
        found["disk_mb"] = -(-wanted.disk // MIB)
    return found


def _mount(identifier: str, path: str, read_only: bool) -> dict[str, Any]:
    mount: dict[str, Any] = {"file_system_id": identifier, "mount_path": path}
    return {**mount, "read_only": True} if read_only else mount


def differences(sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
    """Return the keys of the file from which a sandbox differs so that only a new one would fit (design, section 5).

    Only what the file says and the sandbox tells is compared: a snapshot cannot be seen any more once it is restored.
    """
    wanted = create_request(sandbox)
    found = []
    if sandbox.image is not None and info.image is not None and sandbox.image != info.image:
        found.append("image")
    if sandbox.resources is not None and _differ(sandbox.resources, info.resources):
        found.append("resources")
    if info.file_systems is not None and _mounts(wanted.file_systems) != _mounts(info.file_systems):
        found.append("file_systems")
    return tuple(found)


def updates(sandbox: Sandbox, info: SandboxInfo) -> tuple[str, ...]:
    """Return the keys of the file from which a sandbox differs and that it can be given by a PATCH (contract, section
    2.6).

    Keys that the file does not have are not compared.
    """
    found = []
    if sandbox.ports and set(sandbox.ports) != set(info.exposed_ports or ()):
        found.append("ports")
    if sandbox.network is not None and not is_enforced(sandbox.network, info.network):
        found.append("network")
    return tuple(found)


def _differ(wanted: Resources, has: dict[str, Any]) -> bool:
    """Return whether a value that the file names is another one in the sandbox."""
    sent = _resources(wanted, inherited=True) or {}
    return any(has.get(key) is not None and has[key] != value for key, value in sent.items())


def _mounts(mounts: list[dict[str, Any]] | None) -> set[tuple[str, str, bool]]:
    return {
        (str(mount.get("file_system_id")), str(mount.get("mount_path")), bool(mount.get("read_only")))
        for mount in mounts or ()
    }
