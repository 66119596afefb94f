"""List the projects of a provider by its sandboxes, and describe a project that has no file.

On this machine a sandbox knows its project. The contract knows only names, `<project>-<sandbox>`: in the cloud a
sandbox belongs to the project that is asked for if its name begins so and the rest has no hyphen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.engine.observe import read_row
from sbxcompose.engine.providers import Provider
from sbxcompose.errors import UnknownName
from sbxcompose.plan.observed import ObservedRow
from sbxcompose.spec.project import Process, Project, Restart, RestartPolicy, Sandbox, StopPolicy
from sbxcompose.tasks import gather_all


class KnownSandbox(Struct, frozen=True):
    """A sandbox by its name in its project, and at the provider."""

    name: str
    full_name: str
    status: str
    running: int | None
    """How many processes run in it; None if the provider does not tell."""
    since: float | None = None
    """When it was created, in seconds since 1970."""


class KnownProject(Struct, frozen=True):
    """A project with sandboxes at a provider. `name` and `directory` are None where the provider does not know them.

    `since` is when its first sandbox was created, in seconds since 1970.
    """

    name: str | None
    directory: str | None
    sandboxes: tuple[KnownSandbox, ...]
    since: float | None

    @property
    def running(self) -> int | None:
        """How many of its processes run; None if the provider does not tell."""
        counts = [sandbox.running for sandbox in self.sandboxes if sandbox.running is not None]
        return sum(counts) if counts else None


def group(infos: Iterable[SandboxInfo]) -> list[KnownProject]:
    """Return the projects that the sandboxes belong to, by name; a sandbox of unknown owner is a project of its own."""
    found: dict[tuple[str | None, str | None], list[SandboxInfo]] = {}
    for info in infos:
        if info.status != "terminated" and info.name is not None:
            claim = info.project
            key = (None, info.name) if claim is None else (claim.name, claim.directory)
            found.setdefault(key, []).append(info)
    projects = [_project(name, mine) for (name, _), mine in found.items()]
    return sorted(
        projects, key=lambda project: (project.name or project.sandboxes[0].full_name, project.directory or "")
    )


def _project(name: str | None, infos: Sequence[SandboxInfo]) -> KnownProject:
    first = infos[0]
    created = [info.created_at for info in infos if info.created_at is not None]
    directory = first.project.directory if first.project is not None else first.project_directory
    return KnownProject(name, directory, tuple(map(_sandbox, infos)), min(created) / 1000 if created else None)


def _sandbox(info: SandboxInfo) -> KnownSandbox:
    full_name = info.name or info.id
    name = info.project.sandbox if info.project is not None else full_name
    since = info.created_at / 1000 if info.created_at is not None else None
    return KnownSandbox(name, full_name, info.status, info.live_processes, since)


def members(name: str, infos: Iterable[SandboxInfo]) -> dict[str, SandboxInfo]:
    """Return the live sandboxes of the project of that name, by their names in it."""
    found: dict[str, SandboxInfo] = {}
    for info in infos:
        if info.status == "terminated" or info.name is None:
            continue
        if info.project is not None:
            if info.project.name == name:
                found[info.project.sandbox] = info
        elif info.live_processes is None and info.name.startswith(f"{name}-"):
            rest = info.name.removeprefix(f"{name}-")
            if "-" not in rest:
                found[rest] = info
    return found


def without_file(
    name: str,
    provider: Literal["local", "tensorlake"],
    sandboxes: Mapping[str, SandboxInfo],
    rows: Mapping[str, Iterable[ProcessInfo]],
) -> Project:
    """Return the project that the sandboxes and their process lists tell of, for commands that look and stop.

    It has no dependencies: they are unknown without the file.
    """
    first = next(iter(sandboxes.values()))
    directory = first.project.directory if first.project is not None else first.project_directory
    made = [
        Sandbox(name=key, full_name=info.name or info.id, processes=tuple(_processes(key, rows.get(key, ()))))
        for key, info in sandboxes.items()
    ]
    return Project(name=name, directory=directory or "/", provider=provider, sandboxes=tuple(made))


def _processes(sandbox: str, infos: Iterable[ProcessInfo]) -> Iterable[Process]:
    newest: dict[str, tuple[ObservedRow, ProcessInfo, int]] = {}
    for info in sorted(infos, key=lambda info: info.started_at):
        row = read_row(sandbox, info)
        if row is None or row.instance.process.startswith("@"):
            continue  # foreign, a setup command, or the mark of a `down`
        process = row.instance.process
        replicas = max(row.instance.replica, newest[process][2] if process in newest else 1)
        if process in newest and newest[process][0].live and not row.live:
            row, info = newest[process][:2]
        newest[process] = (row, info, replicas)
    for process, (row, info, replicas) in newest.items():
        managed = info.managed
        policy = RestartPolicy(managed.restart.policy) if managed is not None else RestartPolicy.NEVER
        yield Process(
            sandbox,
            process,
            (info.command, *info.args),
            row.digest,
            restart=Restart(policy),
            stop=_stop_of(info),
            replicas=replicas,
        )


def _stop_of(info: ProcessInfo) -> StopPolicy:
    managed = info.managed
    if managed is None or managed.stop_signal is None or managed.stop_grace_ms is None:
        return StopPolicy()
    return StopPolicy(managed.stop_signal, managed.stop_grace_ms / 1000, tuple(managed.stop_command))


async def find_project(name: str, provider: Provider, kind: Literal["local", "tensorlake"]) -> Project:
    """Return the project of that name at a provider, without its file. Raises `UnknownName`."""
    infos = await provider.sandboxes()
    mine = members(name, infos)
    if not mine:
        known = {project.name for project in group(infos) if project.name is not None}
        from sbxcompose.similar import did_you_mean  # imported late: only this message needs it

        raise UnknownName("project", name, (), hint=did_you_mean(name, known, _known(known)))
    return await project_of(name, provider, kind, mine)


async def project_of(
    name: str, provider: Provider, kind: Literal["local", "tensorlake"], sandboxes: Mapping[str, SandboxInfo]
) -> Project:
    """Return a project that has these sandboxes, with what their process lists tell of it, see `without_file`."""
    awake = {key: provider.client(info) for key, info in sandboxes.items() if info.status == "running"}
    lists = await gather_all(*(client.processes() for client in awake.values()))
    return without_file(name, kind, sandboxes, dict(zip(awake, lists, strict=True)))


def _known(names: Iterable[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in sorted(names))
    return f"`sbxcompose ls` lists all projects: {listed}" if listed else "`sbxcompose ls` lists all projects"
