"""Every route of the host; where two match, the first counts."""

from __future__ import annotations

from sbxcompose.host.routes import (
    batch,
    file_systems,
    files,
    host,
    images,
    logs,
    openapi,
    output,
    platform,
    processes,
    pty,
    run,
    sandboxes,
    snapshots,
    stats,
    transitions,
    tunnels,
    watch,
)
from sbxcompose.host.routes.common import processes_of

ROUTES = [
    *host.ROUTES,
    *sandboxes.ROUTES,
    *transitions.ROUTES,
    *snapshots.ROUTES,
    *run.ROUTES,
    *batch.ROUTES,
    *output.routes(processes_of),
    *watch.routes(processes_of),
    *stats.ROUTES,
    *processes.ROUTES,
    *files.ROUTES,
    *pty.ROUTES,
    *tunnels.ROUTES,
    *platform.ROUTES,
    *images.ROUTES,
    *file_systems.ROUTES,
    *logs.ROUTES,
    *openapi.ROUTES,
]
