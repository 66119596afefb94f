"""Models -> the plain dataclasses of `spec.project`, piece by piece; pure."""

from __future__ import annotations

import posixpath

from sbxcompose.spec.fields import COPY
from sbxcompose.spec.models import NetworkModel, ResourcesModel, SandboxModel
from sbxcompose.spec.process_models import HealthCheckModel, ReadyModel, RestartModel, StopModel, WatchModel
from sbxcompose.spec.project import (
    Files,
    FileSystem,
    HealthCheck,
    Network,
    ReadyCommand,
    ReadyLine,
    Resources,
    Restart,
    RestartPolicy,
    Stop,
    WatchRule,
)


def restart_of(model: RestartModel) -> Restart:
    """When it is started again. A longer first wait raises the longest one with it."""
    return Restart(
        RestartPolicy(model.policy),
        model.max_restarts,
        model.initial_backoff,
        max(model.max_backoff, model.initial_backoff),
    )


def health_check_of(model: HealthCheckModel | None) -> HealthCheck | None:
    """The check of the contract."""
    if model is None:
        return None
    times = (model.initial_delay, model.interval, model.timeout, model.failure_threshold)
    if model.http is not None:
        return HealthCheck("http", model.http.port, model.http.path, *times)
    assert model.tcp is not None
    return HealthCheck("tcp", model.tcp, "/", *times)


def ready_of(model: ReadyModel | None) -> ReadyLine | ReadyCommand | None:
    """What makes it ready."""
    if model is None:
        return None
    if model.log is not None:
        return ReadyLine(model.log)
    assert model.exec is not None
    return ReadyCommand(model.exec)


def stop_of(model: StopModel) -> Stop:
    """How it is asked to end."""
    return Stop(model.signal, model.grace)


def watch_of(model: WatchModel) -> WatchRule:
    """A watch rule with its action decided."""
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
    """What it has."""
    return None if model is None else Resources(model.cpus, model.memory, model.disk)


def network_of(model: NetworkModel | None) -> Network | None:
    """Where it may connect to."""
    return None if model is None else Network(model.allow_internet_access, model.allow_out, model.deny_out)


def file_systems_of(model: SandboxModel) -> tuple[FileSystem, ...]:
    """What is mounted."""
    return tuple(FileSystem(each.id, each.mount_path, each.read_only) for each in model.file_systems)


def files_of(model: SandboxModel) -> tuple[Files, ...]:
    """What is copied in; into a workspace of its own the whole project, unless the file says otherwise."""
    if not model.files and model.workspace == COPY:
        return (Files(".", "."),)
    return tuple(Files(each.from_, each.to or place_of(each.from_), each.ignore) for each in model.files)


def place_of(path: str) -> str:
    """Where a path goes that says nothing of it: to the same place; from outside of the project, under its own name."""
    plain = posixpath.normpath(path)
    if plain.startswith("/") or plain.split("/")[0] == "..":
        return posixpath.basename(plain).removeprefix("..") or "."
    return plain
