"""Models -> the plain structs of `spec.project`, piece by piece; pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from sbxcompose.spec.check_models import HealthCheckModel, ReadyModel
from sbxcompose.spec.fields import COPY
from sbxcompose.spec.machine import Files, FileSystem, Gpu, Mount, Network, Resources
from sbxcompose.spec.models import NetworkModel, ResourcesModel, SandboxModel
from sbxcompose.spec.process_models import ProcessModel, RestartModel, StopModel, WatchModel
from sbxcompose.spec.project import (
    HealthCheck,
    Process,
    ReadyCommand,
    ReadyLine,
    Restart,
    RestartPolicy,
    StopPolicy,
    WatchRule,
)


def own_keys(model: ProcessModel) -> dict[str, Any]:
    """Return the fields of a `Process` that follow from its own keys alone: converted where the forms differ, else as
    given.

    A new key that has the same name and form in model and `Process` needs nothing here.
    """
    keys = ProcessModel.model_fields.keys() & set(Process.__struct_fields__) - _NOT_ALONE
    return {key: _CONVERTED[key](model) if key in _CONVERTED else getattr(model, key) for key in keys}


TIMEOUT, COMMAND_TIMEOUT = 0.5, 5.0
"""Seconds that an answer may take by default: over a connection, and from a command."""
_NOT_ALONE = frozenset({"env", "inherit_env", "secrets", "workdir", "depends_on", "replicas"})
"""What also depends on the sandbox, other processes or the command line."""


def restart_of(model: RestartModel) -> Restart:
    """When it is started again. A longer first wait raises the longest one with it."""
    return Restart(
        RestartPolicy(model.policy),
        model.max_restarts,
        model.initial_backoff,
        max(model.max_backoff, model.initial_backoff),
    )


def _restart_of(model: ProcessModel) -> Restart:
    if model.stop_all_on is not None and "restart" not in model.model_fields_set:
        return Restart(RestartPolicy.NEVER)
    return restart_of(model.restart)


def health_check_of(model: HealthCheckModel | None, own_port: int | None = None) -> HealthCheck | None:
    """Return the check of the contract; one that names no port asks the process's own."""
    if model is None:
        return None
    timeout = model.timeout or (TIMEOUT if model.exec is None else COMMAND_TIMEOUT)
    times = (model.initial_delay, model.interval, timeout, model.failure_threshold)
    if model.exec is not None:
        return HealthCheck("exec", 0, "/", *times, command=model.exec)
    port = own_port or 0
    if model.http is not None:
        return HealthCheck("http", model.http.port or port, model.http.path, *times)
    return HealthCheck("tcp", port if model.tcp is True else model.tcp or port, "/", *times)


def ready_of(model: ReadyModel | None) -> ReadyLine | ReadyCommand | None:
    """Return what makes it ready."""
    if model is None:
        return None
    if model.log is not None:
        return ReadyLine(model.log)
    assert model.exec is not None
    return ReadyCommand(model.exec)


def stop_of(model: StopModel) -> StopPolicy:
    """Return how it is asked to end."""
    return StopPolicy(model.signal, model.grace, model.command or ())


def watch_of(model: WatchModel) -> WatchRule:
    """Return a watch rule with its action decided."""
    implied = "signal" if model.signal is not None else "run" if model.run is not None else "restart"
    return WatchRule(model.path, model.action or implied, model.ignore, model.signal, model.run or (), model.debounce)


def workspace_of(model: SandboxModel) -> str:
    """Where the project's files are in the sandbox."""
    return "/workspace" if model.workspace == COPY else posixpath.normpath(model.workspace)


def workdir_of(workdir: str | None, workspace: str) -> str:
    """Relative to the workspace where it lies below it, so that it means the same folder everywhere."""
    path = posixpath.normpath(workdir or ".")
    if path == workspace:
        return ""
    path = path.removeprefix(workspace.rstrip("/") + "/")
    return "" if path == "." else path


def resources_of(model: ResourcesModel | None) -> Resources | None:
    """Return what it has."""
    if model is None:
        return None
    gpus = tuple(Gpu(gpu.model, gpu.count) for gpu in model.gpus)
    return Resources(model.cpus, model.memory, model.disk, gpus, model.processes)


def network_of(model: NetworkModel | None) -> Network | None:
    """Where it may connect to."""
    return None if model is None else Network(model.allow_internet_access, model.allow_out, model.deny_out)


def mounts_of(model: SandboxModel) -> tuple[Mount, ...]:
    """Return what an isolated one sees of this machine."""
    return tuple(Mount(mount.source, posixpath.normpath(mount.target), mount.read_only) for mount in model.mounts)


def file_systems_of(model: SandboxModel) -> tuple[FileSystem, ...]:
    """Return what is mounted."""
    return tuple(
        FileSystem(
            id=file_system.id,
            mount_path=file_system.mount_path,
            read_only=file_system.read_only,
            prefetch=file_system.prefetch,
            snapshot=file_system.snapshot,
            owner=file_system.owner,
        )
        for file_system in model.file_systems
    )


def files_of(model: SandboxModel) -> tuple[Files, ...]:
    """Return what is copied in; into a workspace of its own the whole project, unless the file says otherwise."""
    if not model.files and model.workspace == COPY:
        return (Files(".", "."),)
    return tuple(Files(files.from_, files.to or place_of(files.from_), files.ignore) for files in model.files)


def place_of(path: str) -> str:
    """Where a path goes that says nothing of it: to the same place; from outside of the project, under its own name."""
    plain = posixpath.normpath(path)
    if plain.startswith("/") or plain.split("/")[0] == "..":
        return posixpath.basename(plain).removeprefix("..") or "."
    return plain


_CONVERTED: Mapping[str, Callable[[ProcessModel], Any]] = {
    "restart": _restart_of,
    "health_check": lambda model: health_check_of(model.health_check, model.port),
    "ready_when": lambda model: ready_of(model.ready_when),
    "stop": lambda model: stop_of(model.stop),
    "watch": lambda model: tuple(watch_of(rule) for rule in model.watch),
}
