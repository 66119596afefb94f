"""The provider `tensorlake`: sandboxes in the cloud, or on a host that stands in for it, by the contract alone."""

from __future__ import annotations

import asyncio
from typing import Any

from sbxcompose.api.addresses import Site, daemon_target, may_have_key, parse_site
from sbxcompose.api.cloud import CloudChannel
from sbxcompose.api.lifecycle import Lifecycle
from sbxcompose.api.sandbox import SandboxClient
from sbxcompose.api.sandbox_models import CreateRequest, PatchRequest, SandboxInfo
from sbxcompose.api.settings import API_KEY, API_URL, PROXY_URL, CloudSettings
from sbxcompose.engine import suspended
from sbxcompose.engine.network import is_enforced, policy_of
from sbxcompose.errors import ConfigurationError, Conflict, Refused, Unreachable
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

    async def find(self, sandbox: Sandbox) -> SandboxInfo | None:
        """Return the sandbox as it is now; None if there is none."""
        info = await self._lifecycle.find(sandbox.full_name)
        return None if info is None or info.status == "terminated" else info

    async def sandboxes(self) -> list[SandboxInfo]:
        """Return every sandbox of the account that is not terminated."""
        return [info for info in await self._lifecycle.sandboxes() if info.status != "terminated"]

    async def create(self, sandbox: Sandbox) -> SandboxInfo:
        """Create it, wait until it runs, and make its workspace."""
        made = True
        try:
            await self._lifecycle.create(create_request(sandbox))
        except Conflict:
            made = False  # another client has just created it, or it is suspended again
            info = await self._lifecycle.find(sandbox.full_name)
            if info is not None and info.status in ("suspended", "suspending"):
                return await self.resume(sandbox)
        except Unreachable:
            # It may have been made though the answer was lost, or still be on its way.
            if await self._lifecycle.find(sandbox.full_name) is None:
                raise
        info = await suspended.until(self._lifecycle, sandbox.full_name, "running")
        if made:
            await make_workspace(self.client(info), sandbox.workspace)
        return info

    async def claim(self, sandbox: Sandbox, info: SandboxInfo) -> SandboxInfo:
        """Return it unchanged: the contract has no owners."""
        return info

    async def suspend(self, sandbox: Sandbox) -> None:
        """Suspend it and wait until it is suspended."""
        await suspended.suspend(self._lifecycle, sandbox)

    async def resume(self, sandbox: Sandbox) -> SandboxInfo:
        """Resume it and wait until it runs."""
        return await suspended.resume(self._lifecycle, sandbox)

    async def terminate(self, sandbox: Sandbox) -> None:
        """Terminate it and everything in it."""
        await self._lifecycle.terminate(sandbox.full_name)

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
        await self._lifecycle.update(sandbox.full_name, changes, clear_network=clear)

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


_AS_USER = 'mkdir -p -- "$1" 2>/dev/null && [ -w "$1" ] || { id -u; exit 3; }'
_AS_ROOT = 'mkdir -p -- "$1" && chown "$2" "$1"'


async def make_workspace(client: SandboxClient, path: str) -> None:
    """Make the workspace in a new sandbox, so that the user whom processes run as can write to it.

    A process whose directory is missing cannot be started (contract, section 3.2). Raises `Refused`.
    """
    said: list[str] = []
    if await _shell(client, said, None, _AS_USER, path) == 0:
        return
    user = said[-1] if said and said[-1].isdecimal() else "0"
    said.clear()
    if await _shell(client, said, "root", _AS_ROOT, path, user) != 0:
        words = said[-1] if said else "it cannot be made"
        raise Refused(f"the workspace {path}: {words}", status=0, hint="name another `workspace` in the file")


async def _shell(client: SandboxClient, said: list[str], user: str | None, script: str, *args: str) -> int | None:
    from sbxcompose.api.models import StartRequest

    request = StartRequest(command="sh", args=["-c", script, "sh", *args], working_dir="/", user=user)
    return (await client.run(request, output=lambda line: said.append(line.text))).exit_code
