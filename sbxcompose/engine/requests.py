"""A wanted process as the start request that the contract has for it."""

from __future__ import annotations

import os.path
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from sbxcompose.api.models import HealthCheckConfig, RestartConfig, StartRequest
from sbxcompose.engine.last_up import UpTimes
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import HealthCheck, Process, Project, Restart, Sandbox

_NOT_INHERITED = frozenset({"OLDPWD", "SBXCOMPOSE_UNIT"})
"""Variables of the calling shell that would be untrue in a child."""


def log_name(instance: Instance) -> str:
    """Return the log that all runs of an instance share, whatever their digest."""
    return f"{instance.process}.{instance.replica}"


def log_instance(sandbox: str, log: str) -> Instance | None:
    """Return the inverse of `log_name`; None for a log that is not of an instance."""
    process, dot, replica = log.rpartition(".")
    return Instance(sandbox, process, int(replica)) if dot and process and replica.isdecimal() else None


def start_request(
    project: Project,
    process: Process,
    instance: Instance,
    name: str,
    replaces: Iterable[str] = (),
    times: UpTimes | None = None,
) -> StartRequest:
    """Return what `POST /processes` takes to start `instance` under the managed name `name`, beside the runs it
    `replaces`.
    """
    sandbox = project.sandbox_of(process)
    directory = working_directory(project, sandbox, process)
    in_terminal = process.tty and project.provider_of(sandbox) != "local"
    command = in_script(process.command) if in_terminal else process.command
    if process.is_connector:
        command = (sys.executable, "-P", *command[1:])
    return StartRequest(
        command=command[0],
        args=list(command[1:]),
        env=_environment(project, sandbox, process, instance, directory),
        working_dir=directory,
        stdin_mode=process.stdin,
        name=name,
        restart=_restart(process.restart),
        health_check=_health_check(process.check_of(instance.replica)),
        log=log_name(instance),
        stop_signal=process.stop.signal,
        stop_grace_ms=_millis(process.stop.grace),
        stop_command=list(process.stop.command),
        replaces=list(replaces),
        up_ms=None if times is None else times.up_ms,
        life_ms=None if times is None else times.life_ms,
        **{key: _plain(getattr(process, key)) for key in _SAME},
    )


_SAME = (frozenset(Process.__struct_fields__) & frozenset(StartRequest.__struct_fields__)) - {
    *("command", "env", "name", "restart", "health_check")
}
"""What has the same name and form in the file and in the request, so that a new key needs nothing here."""


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def in_script(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command on a terminal made by script(1), with its own exit code. Output is as written (no CR before
    LF).
    """
    return (
        "script",
        "-qefc",
        f"stty -onlcr -echo rows 24 cols 80 2>/dev/null; exec {shlex.join(command)}",
        "/dev/null",
    )


def command_request(project: Project, process: Process, instance: Instance, command: tuple[str, ...]) -> StartRequest:
    """Describe a command run the way `process` is: same directory, user and variables, no supervisor, no log."""
    sandbox = project.sandbox_of(process)
    directory = working_directory(project, sandbox, process)
    return StartRequest(
        command=command[0],
        args=list(command[1:]),
        env=_environment(project, sandbox, process, instance, directory),
        working_dir=directory,
        user=process.user,
        stop_signal=process.stop.signal,
        stop_grace_ms=_millis(process.stop.grace),
        beside=log_name(instance),
    )


def sandbox_request(project: Project, sandbox: Sandbox, command: tuple[str, ...]) -> StartRequest:
    """Describe a command run in a sandbox beside no process in particular, where its workspace is."""
    directory = workspace(project, sandbox)
    env = {"PWD": directory, **_identity(project, sandbox)}
    return StartRequest(command=command[0], args=list(command[1:]), env=env, working_dir=directory)


def sandbox_environment(project: Project, sandbox: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what lies under such a command's variables (see `base_environment`): nothing of the caller's where the
    sandbox is isolated.
    """
    isolated = any(known.name == sandbox and known.isolation != "none" for known in project.sandboxes)
    return _inherited(environ) if project.provider_of(sandbox) == "local" and not isolated else _NOTHING


def base_environment(process: Process, project: Project, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return what lies under the spec's variables: at the provider `local`, the caller's environment.

    The same object is returned for the same answer where that is cheap, so that starts can travel together.
    """
    if project.provider_of(process.sandbox) != "local" or process.inherit_env is False:
        return _NOTHING
    if process.inherit_env is True:
        return _inherited(environ)
    return {name: environ[name] for name in process.inherit_env if name in environ}


def workspace(project: Project, sandbox: Sandbox) -> str:
    """Where the project directory is for the processes: at the provider `local` in place, unless it is copied, or the
    sandbox isolated.
    """
    in_place = project.provider_of(sandbox) == "local" and not sandbox.copied and sandbox.isolation == "none"
    return project.directory if in_place else sandbox.workspace


def working_directory(project: Project, sandbox: Sandbox, process: Process) -> str:
    """Return the absolute directory in which the process runs."""
    return os.path.normpath(os.path.join(workspace(project, sandbox), process.workdir))


_NOTHING: Mapping[str, str] = {}
_inherited_from: tuple[Mapping[str, str], Mapping[str, str]] | None = None


def _inherited(environ: Mapping[str, str]) -> Mapping[str, str]:
    global _inherited_from
    if _inherited_from is None or _inherited_from[0] is not environ:
        kept = {name: value for name, value in environ.items() if name not in _NOT_INHERITED}
        _inherited_from = (environ, kept)
    return _inherited_from[1]


def _environment(
    project: Project, sandbox: Sandbox, process: Process, instance: Instance, directory: str
) -> dict[str, str]:
    replica = process.replica_env[instance.replica - 1] if len(process.replica_env) >= instance.replica else ()
    return {
        "PWD": directory,
        **dict(process.env),
        **dict(replica),
        **_identity(project, sandbox),
        "SBXCOMPOSE_PROCESS": process.name,
        "SBXCOMPOSE_REPLICA": str(instance.replica),
    }


def _identity(project: Project, sandbox: Sandbox) -> dict[str, str]:
    return {
        "SBXCOMPOSE_PROJECT": project.name,
        "SBXCOMPOSE_SANDBOX": sandbox.name,
        "SBXCOMPOSE_WORKSPACE": workspace(project, sandbox),
    }


def _restart(restart: Restart) -> RestartConfig:
    return RestartConfig(
        policy=restart.policy.value,
        max_restarts=restart.max_restarts,
        initial_backoff_ms=_millis(restart.initial_backoff),
        max_backoff_ms=_millis(restart.max_backoff),
    )


def _health_check(check: HealthCheck | None) -> HealthCheckConfig | None:
    if check is None:
        return None
    return HealthCheckConfig(
        type=check.kind,
        port=check.port or None,
        command=list(check.command) or None,
        path=check.path if check.kind == "http" else None,
        initial_delay_ms=_millis(check.initial_delay),
        interval_ms=_millis(check.interval),
        timeout_ms=_millis(check.timeout),
        failure_threshold=check.failure_threshold,
    )


def _millis(seconds: float) -> int:
    return round(seconds * 1000)
