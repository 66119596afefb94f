"""What the control plane's routes share: both forms of their paths, how a sandbox is shown (contract, section 1.2)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sbxcompose.api.sandbox_models import SandboxInfo, ShortInfo
from sbxcompose.host.routes.user_ports import ingress_endpoint
from sbxcompose.host.sandboxes.registry import Sandboxes
from sbxcompose.host.sandboxes.sandbox import HostedSandbox
from sbxcompose.host.sandboxes.sandbox_record import EXTENSIONS
from sbxcompose.host.supervise.network import not_enforced

CHANGE_WAIT = 0.5
"""Seconds that a change is waited for unasked: it usually takes milliseconds, and a client that polls asks only after a
second whether it is over.
"""

RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]


def routes(table: Sequence[tuple[str, str, RouteHandler]]) -> list[Route]:
    """Routes of (method, path, endpoint), namespaced and flat."""
    forms = ("/v1/namespaces/{namespace}", "")
    return [Route(form + path, endpoint, methods=[method]) for form in forms for method, path, endpoint in table]


def sandboxes_of(request: Request) -> Sandboxes:
    """Return all sandboxes of the host."""
    sandboxes: Sandboxes = request.state.sandboxes
    return sandboxes


def live_sandbox(request: Request) -> HostedSandbox:
    """Return the live sandbox that the path names. Raises `Problem`."""
    return sandboxes_of(request).live(request.path_params["sandbox"])


def namespace_of(request: Request) -> str:
    """Return the namespace in the path; in the flat form the default one."""
    return str(request.path_params.get("namespace", "default"))


def long_form(request: Request, info: SandboxInfo) -> dict[str, Any]:
    """Return a sandbox in the long form (contract, section 2.3), with the URL by which the client came."""
    live = info.status != "terminated"
    processes = sandboxes_of(request).processes(info.id)
    disk = None if processes is None or processes.isolation is None else processes.isolation.disk
    reachable = live and info.status != "pending"
    return {
        **info.write(),
        "file_systems": info.file_systems or [],  # the newest clients take no null
        "not_enforced": [
            *not_enforced(info.network, info.enforced_network),
            *sandboxes_of(request).images.not_built(info.image),
        ],
        "network_policy": info.network,  # its name for the newest clients
        "sandbox_url": request.state.url if reachable else None,
        "ingress_endpoint": ingress_endpoint(request.state.url) if reachable else None,
        "failed_starts": [] if processes is None else [failed.write() for failed in processes.failed_starts.all()],
        "disk_free": None if disk is None else disk.free,
        "disk_read_only": disk is not None and disk.read_only,
        "machine_free": None if disk is None else disk.machine_free,
        "live_processes": None if processes is None else len(processes.live),
        "extensions": EXTENSIONS if live else [],
    }


def short_form(request: Request, info: SandboxInfo) -> dict[str, Any]:
    """Return a new sandbox in the short form (contract, section 2.4); one that could not begin has failed."""
    failed = info.status == "terminated"
    words = info.error_details.get("error") if isinstance(info.error_details, dict) else None
    short = ShortInfo(
        sandbox_id=info.id,
        status="failed" if failed else info.status,
        name=info.name,
        reason=(words or info.termination_reason) if failed else None,
        termination_reason=info.termination_reason,
        error_details=info.error_details,
        sandbox_url=request.state.url if info.status == "running" else None,
        ingress_endpoint=ingress_endpoint(request.state.url) if info.status == "running" else None,
    )
    return {**short.write(), **({"error": f"sandbox {info.id} did not start: {short.reason}"} if failed else {})}
