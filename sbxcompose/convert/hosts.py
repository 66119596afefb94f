"""Host names of services -> addresses of this machine; pure."""

from __future__ import annotations

import re


def with_local_hosts(name: str, value: str, hosts: dict[str, dict[int, int]]) -> str:
    """Return a value in which names of services are replaced by 127.0.0.1, with the port on this machine.

    A name counts where a host stands: after `//`, `@`, `=` or a comma, before a port, or as the whole value of a
    variable whose name speaks of a host.
    """
    for host, ports in hosts.items():
        quoted = re.escape(host)

        def local(found: re.Match[str], ports: dict[int, int] = ports) -> str:
            inside = int(found["port"]) if found["port"] else None
            return "127.0.0.1" if inside is None else f"127.0.0.1:{ports.get(inside, inside)}"

        value = re.sub(rf"(?:(?<=//)|(?<=[@=,])){quoted}(?::(?P<port>\d+))?(?=[:/,;?&\s]|$)", local, value)
        value = re.sub(rf"^{quoted}:(?P<port>\d+)(?=[/,;?\s]|$)", local, value)
        if value == host and re.search(r"HOST|SERVER|ADDR|URL|ENDPOINT|BROKER|NODE", name, re.IGNORECASE):
            value = "127.0.0.1"
    return value
