"""What makes a process the process it is, in 8 hex digits: when it changes, a running one is replaced; pure.

The canonical form is JSON with sorted keys, no white space and only ASCII: an object with `command` (the
whole argument vector), `env` (object; a replica's own variables are those of replica 1), `user`, `workdir`,
`stdin`, `restart` (policy, max_restarts, and backoffs in whole milliseconds), `health_check` (kind, port,
path, threshold, times in whole milliseconds, or null), for a setup command `after`, the digest of the one
before, and the keys with `new_run` (`spec.keys`) that are not as they are by default. The digest is the beginning of
its SHA-256. It does not depend on the order of keys in the file, nor on our version or Python's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from sbxcompose.spec.project import HealthCheck, Pairs, Restart

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def digest(
    command: Sequence[str],
    env: Pairs = (),
    *,
    user: str | None = None,
    workdir: str = "",
    stdin: str = "closed",
    restart: Restart = Restart(),  # noqa: B008 (frozen)
    health_check: HealthCheck | None = None,
    after: str | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """The digest of a process; `after` is that of the setup command before it, `more` are keys added later."""
    form: dict[str, Any] = {
        "command": list(command),
        "env": dict(env),
        "user": user,
        "workdir": workdir,
        "stdin": stdin,
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
