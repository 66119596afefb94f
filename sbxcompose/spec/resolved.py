"""The project as plain data in the file's own language, for `config`: loading it again gives the same
project.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import fields

from sbxcompose import signals
from sbxcompose.spec.keys import keys_of
from sbxcompose.spec.machine import FileSystem, PortConnection, Resources
from sbxcompose.spec.project import (
    CONNECTORS,
    DEBOUNCE,
    Dependency,
    HealthCheck,
    Pairs,
    Process,
    Project,
    ReadyCommand,
    ReadyLine,
    Restart,
    Sandbox,
    StopPolicy,
    WatchRule,
)
from sbxcompose.spec.units import format_duration, format_size

MASK = "***"


def resolved(project: Project, *, reveal: bool = False) -> dict[str, Any]:
    """Return what `config` prints: defaults left out, values of secrets masked unless `reveal`.

    A dollar sign is written `$$`, as a file must have it. What a Procfile's replicas have of their own
    (PORT) is shown for the first one.
    """
    inactive: dict[str, list[Process]] = {}
    for process in project.inactive:
        inactive.setdefault(process.sandbox, []).append(process)
    sandboxes = {
        sandbox.name: _sandbox(sandbox, inactive.get(sandbox.name, []), reveal)
        for sandbox in project.sandboxes
        if sandbox.name != CONNECTORS
    }
    values: Any = _escaped({"name": project.name, "provider": project.provider, "sandboxes": sandboxes})
    assert isinstance(values, dict)
    return values


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value


def _given(**values: Any) -> dict[str, Any]:
    """Without what says nothing."""
    return {key: value for key, value in values.items() if value not in (None, [], {}, ())}


def _file_system(mounted: FileSystem) -> dict[str, Any]:
    return {
        "id": mounted.id,
        "mount_path": mounted.mount_path,
        "read_only": mounted.read_only,
        **_given(prefetch=mounted.prefetch or None, snapshot=mounted.snapshot, owner=mounted.owner),
    }


def _sandbox(sandbox: Sandbox, inactive: list[Process], reveal: bool) -> dict[str, Any]:
    everything = [*sandbox.processes, *inactive]
    setup = [process for process in everything if process.name.startswith("@")]
    rest = [process for process in everything if not process.name.startswith("@")]
    values = _given(
        provider=sandbox.provider,
        image=sandbox.image,
        snapshot=sandbox.snapshot,
        resources=_resources(sandbox.resources),
        timeout=None if sandbox.timeout is None else format_duration(sandbox.timeout),
        isolation=None if sandbox.isolation == "none" else sandbox.isolation,
        mounts=[
            {"source": mount.source, "target": mount.target, "read_only": mount.read_only} for mount in sandbox.mounts
        ],
        ports=list(sandbox.ports),
        connect=_connections(sandbox.connect),
        file_systems=[_file_system(file_system) for file_system in sandbox.file_systems],
        files=[
            _given(**{"from": files.from_, "to": files.to, "ignore": list(files.ignore)}) for files in sandbox.files
        ],
        setup=[list(process.command) for process in setup],
        setup_cache=None if sandbox.setup_cache == "none" else sandbox.setup_cache,
        env=_environment(setup[0], reveal) if setup else None,
        secrets=list(setup[0].secrets) if setup else None,
        inherit_env=_inherit(setup[0]) if setup else None,
    )
    if sandbox.network is not None:
        network = sandbox.network
        values["network"] = {
            "allow_internet_access": network.allow_internet_access,
            "allow_out": list(network.allow_out),
            "deny_out": list(network.deny_out),
        }
    processes = {process.name: _process(process, reveal) for process in rest}
    workspace = "copy" if sandbox.copied else sandbox.workspace
    return {"name": sandbox.full_name, "workspace": workspace, **values, "processes": processes}


def _connections(connections: tuple[PortConnection, ...]) -> dict[str, list[dict[str, int]]]:
    shown: dict[str, list[dict[str, int]]] = {}
    for connection in connections:
        shown.setdefault(connection.name, []).append({"port": connection.port, "listen": connection.listen})
    return shown


def _inherit(process: Process) -> Any:
    return None if process.inherit_env is True else _plain(process.inherit_env)


def _resources(resources: Resources | None) -> dict[str, Any] | None:
    if resources is None:
        return None
    return _given(
        cpus=resources.cpus,
        memory=None if resources.memory is None else format_size(resources.memory),
        disk=None if resources.disk is None else format_size(resources.disk),
        processes=resources.processes,
        gpus=[{"model": gpu.model, "count": gpu.count} for gpu in resources.gpus],
    )


def _process(process: Process, reveal: bool) -> dict[str, Any]:
    values: dict[str, Any] = {"command": list(process.command), "replicas": process.replicas}
    values.update(_given(env=_environment(process, reveal)))
    for key, default in _DEFAULTS.items():
        value = getattr(process, key)
        if key in _ALWAYS or value != default:
            values[key] = _SHOWN.get(key, _plain)(value)
    return {key: value for key, value in values.items() if value not in (None, [], {})}


_ALWAYS = frozenset({"restart", "stop"})
"""Shown with its defaults."""
_NO_KEYS = frozenset({"sandbox", "name", "command", "digest", "env", "replicas", "replica_env"})
"""Fields of a process that are shown in another way, or not at all."""
_DEFAULTS = {field.name: field.default for field in fields(Process) if field.name not in _NO_KEYS}


def _plain(value: Any) -> Any:
    """Return a value that is written as it is."""
    return list(value) if isinstance(value, tuple) else value


def _environment(process: Process, reveal: bool) -> dict[str, str]:
    values = dict(process.env)
    if process.replica_env and process.port is None:
        values.update(process.replica_env[0])
    hidden = frozenset(() if reveal else process.secrets)
    return {name: MASK if name in hidden else _masked(value, values, hidden) for name, value in values.items()}


def _masked(value: str, values: dict[str, str], hidden: Iterable[str]) -> str:
    """Return a value with the secrets in it masked: `postgres://u:secret@host`."""
    for name in hidden:
        secret = values.get(name, "")
        if len(secret) >= 4:
            value = value.replace(secret, MASK)
    return value


def _restart(restart: Restart) -> dict[str, Any]:
    return _given(
        policy=restart.policy.value,
        max_restarts=restart.max_restarts,
        initial_backoff=format_duration(restart.initial_backoff),
        max_backoff=format_duration(restart.max_backoff),
    )


def _health_check(check: HealthCheck) -> dict[str, Any]:
    kinds: dict[str, Any] = {
        "http": {"port": check.port, "path": check.path},
        "tcp": check.port,
        "exec": list(check.command),
    }
    return {
        check.kind: kinds[check.kind],
        "initial_delay": format_duration(check.initial_delay),
        "interval": format_duration(check.interval),
        "timeout": format_duration(check.timeout),
        "failure_threshold": check.failure_threshold,
    }


def _ready(ready: ReadyLine | ReadyCommand) -> dict[str, Any]:
    return {"log": ready.pattern} if isinstance(ready, ReadyLine) else {"exec": list(ready.command)}


def _dependencies(needs: tuple[Dependency, ...]) -> dict[str, Any]:
    return {
        need.address: _given(condition=need.condition.value, restart=need.restart or None)
        | ({} if need.required else {"required": False})
        for need in needs
        if not need.process.startswith("@")
    }


def _stop(stop: StopPolicy) -> dict[str, Any]:
    name: str | int = signals.name_of(stop.signal) or stop.signal
    command = {"command": list(stop.command)} if stop.command else {}
    return {**command, "signal": name, "grace": format_duration(stop.grace)}


def _watches(rules: tuple[WatchRule, ...]) -> list[dict[str, Any]]:
    return [_watch(rule) for rule in rules]


def _watch(rule: WatchRule) -> dict[str, Any]:
    return _given(
        path=rule.path,
        action=rule.action,
        ignore=list(rule.ignore),
        signal=rule.signal,
        run=list(rule.run),
        debounce=None if rule.debounce == DEBOUNCE else format_duration(rule.debounce),
    )


_SHOWN: Mapping[str, Callable[[Any], Any]] = {
    "restart": _restart,
    "health_check": _health_check,
    "ready_when": _ready,
    "depends_on": _dependencies,
    "stop": _stop,
    "watch": _watches,
    **{name: dict for name, (kind, _) in keys_of(Process).items() if kind == Pairs},
}
"""Keys whose form in the file is not that of their value."""
