"""Requests for a daemon that has only the contract (sections 3.2, 3.8 and 5): no extensions, no defaults; pure."""

from __future__ import annotations

from typing import Any

from sbxcompose.api.models import HealthCheckConfig, StartRequest

_FIELDS = (
    *("command", "args", "env", "working_dir", "user", "stdin_mode", "stdout_mode", "stderr_mode"),
    *("name", "restart", "health_check"),
)
_OF_CHECKS = frozenset(HealthCheckConfig.__struct_fields__) - {"command"}


def start_body(request: StartRequest) -> dict[str, Any]:
    """Return what is not as it would be without being said. Daemons may refuse what they do not know."""
    body = request.write()
    usual = StartRequest(command="").write()
    found = {key: body[key] for key in _FIELDS if key == "command" or body[key] != usual[key]}
    if (check := found.get("health_check")) is not None:
        found["health_check"] = {key: check[key] for key in _OF_CHECKS if check[key] is not None}
    return found
