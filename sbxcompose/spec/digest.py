"""Hash a process's definition to 8 hex digits: when they change, a running process is replaced; pure.

The canonical form is JSON with sorted keys, no white space and only ASCII: an object with `command` (the
whole argument vector), `env` (object; a replica's own variables are those of replica 1), `user`, `workdir`,
`stdin`, `restart` (policy, max_restarts, and backoffs in whole milliseconds), `health_check` (kind, port,
path, threshold, times in whole milliseconds, or null), for a setup command `after`, the digest of the one
before, and the keys with `new_run` (`spec.keys`) that are not as they are by default. The digest is the beginning of
its SHA-256. It does not depend on the order of keys in the file, nor on our version or Python's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from msgspec.structs import fields, replace

from sbxcompose.spec.keys import keys_of, needs_new_run
from sbxcompose.spec.project import HealthCheck, Process
from sbxcompose.spec.variables import pairs_of

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def digest(process: Process, *, after: str | None = None, more: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return the digest of a process; `after` is that of the setup command before it, `more` are keys added later."""
    restart, health_check = process.restart, process.health_check
    form: dict[str, Any] = {
        "command": list(process.command),
        "env": dict(process.env),
        "user": process.user,
        "workdir": process.workdir,
        "stdin": process.stdin,
        "restart": {
            "policy": restart.policy.value,
            "max_restarts": restart.max_restarts,
            "initial_backoff_ms": _millis(restart.initial_backoff),
            "max_backoff_ms": _millis(restart.max_backoff),
        },
        "health_check": None if health_check is None else _check(health_check),
    }
    if after is not None:
        form["after"] = after
    form.update(more)
    return sha256(_encode(form).encode("ascii")).hexdigest()[:8]


def _check(check: HealthCheck) -> dict[str, Any]:
    command = {"command": list(check.command)} if check.kind == "exec" else {}
    return {
        **command,
        "kind": check.kind,
        "port": check.port,
        "path": check.path if check.kind == "http" else None,
        "initial_delay_ms": _millis(check.initial_delay),
        "interval_ms": _millis(check.interval),
        "timeout_ms": _millis(check.timeout),
        "failure_threshold": check.failure_threshold,
    }


def _millis(seconds: float) -> int:
    return round(seconds * 1000)


def process_digest(process: Process) -> str:
    """Return the digest of a process; its own variables are those of the first replica."""
    more = _changed_keys(process)
    if process.replica_env:
        process = replace(process, env=pairs_of({**dict(process.env), **dict(process.replica_env[0])}))
    return digest(process, more=more)


def _changed_keys(process: Process) -> dict[str, object]:
    """Return the keys that need a new run (`spec.keys`) and are not as they are by default."""
    return {name: value for name, default in _NEW_RUN.items() if (value := getattr(process, name)) != default}


_NEW_RUN = {
    field.name: field.default
    for field in fields(Process)
    if field.name in (keys := keys_of(Process)) and needs_new_run(keys[field.name][1])
}
"""The defaults of the keys that count for the digest only where they are given."""
