"""Web servers and proxies whose configuration comes with the project: native programs for their images; pure."""

from __future__ import annotations

import re

from sbxcompose.convert.daemon_base import Daemon, Request, own_arguments

_HTML = "/usr/share/nginx/html"
_BLOCKS = re.compile(r".*/(nginx\.conf|(conf\.d|http\.d|server_blocks)(/[^/]+\.conf)?)")
"""Its own configuration, and what that includes: other files are parts of these."""


def nginx(request: Request) -> Daemon:
    """Return nginx with the mounted configuration, with mounted `server` blocks, or as a server of mounted files."""
    configurations = {target: source for target, source in request.files.items() if _BLOCKS.fullmatch(target)}
    whole = next((source for target, source in configurations.items() if target.endswith("/nginx.conf")), None)
    lines = [f"mkdir -p {request.data}/logs"]
    note = f"its configuration must listen on port {request.port} and use paths of this machine"
    if whole is not None:
        given, note = _absolute(whole), f"{whole} must listen on port {request.port} and use paths of this machine"
    else:
        given = f"{request.data}/nginx.conf"
        files = (source if source.endswith(".conf") else f"{source}/*.conf" for source in configurations.values())
        parts = [f'include "{_absolute(source)}";' for source in files]
        if parts:
            sources = ", ".join(configurations.values())
            note = f"{sources} must listen on port {request.port} and use paths of this machine"
        elif (folder := _served(request)) is not None:
            parts, note = [f'server {{ listen {request.port}; root "{_absolute(folder)}"; }}'], ""
        if not parts:
            given = ""
        else:
            lines += [f"cat > {given} <<END", "events {}", "http {", "  include /etc/nginx/mime.types;"]
            lines += [*(f"  {part}" for part in parts), "}", "END"]
            given = _absolute(given)
    option = f' -c "{given}"' if given else ""
    lines.append(f"exec nginx -p {request.data}/{option} -g 'daemon off;'")
    return Daemon("\n".join(lines) + "\n", "nginx", {"tcp": request.port}, note)


def _served(request: Request) -> str | None:
    """Return the folder of the project that the image would serve."""
    return next((source for target, source in request.files.items() if target.rstrip("/") == _HTML), None)


def _absolute(path: str) -> str:
    return path if path.startswith(("/", "~")) else f"$$PWD/{path.removeprefix('./')}"


def caddy(request: Request) -> Daemon:
    """Return caddy with the mounted Caddyfile."""
    config = next((source for target, source in request.files.items() if target.endswith("Caddyfile")), "Caddyfile")
    note = f"{config} must listen on port {request.port}"
    return Daemon(f"exec caddy run --config {config}", "caddy", {"tcp": request.port}, note)


def haproxy(request: Request) -> Daemon:
    """Return haproxy with the mounted configuration."""
    found = (source for target, source in request.files.items() if target.endswith(".cfg"))
    config = next(found, "haproxy.cfg")
    note = f"{config} must listen on port {request.port} and use addresses of this machine"
    return Daemon(f"exec haproxy -db -f {config}", "haproxy", {"tcp": request.port}, note)


def traefik(request: Request) -> Daemon:
    """Return traefik with the service's own options."""
    note = f"it must listen on port {request.port}, and it finds no containers: name the services in a file"
    return Daemon(f"exec traefik{own_arguments(request, 'traefik')}", "traefik", None, note)
