"""Docker Compose files -> ours; pure, apart from the Dockerfiles that `read` returns.

A container becomes a process of this machine: its own network, file system and name disappear, so host names become
127.0.0.1, paths become paths of the project, named volumes become folders below `data/`, and images become native
programs where one is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sbxcompose.convert.compose_service import Service
from sbxcompose.convert.draft import NoteKind, ProjectDraft
from sbxcompose.convert.values import entries, get, text
from sbxcompose.spec.nodes import Mapping

ReadText = Callable[[str], str | None]
"""Returns the text of a file of the project, by its path in it; None if there is none."""

_IGNORED = {
    "networks": "all processes share the network of this machine",
    "configs": "the files are used where they are in the project",
    "secrets": "the files are used where they are in the project",
}


def convert_compose(root: Mapping, read: ReadText) -> ProjectDraft:
    """Convert a Compose file."""
    draft = ProjectDraft()
    if (name := text(root.get("name"))) is not None and re.fullmatch(r"[a-z][a-z0-9-]*", name):
        draft.top["name"] = name
    listed = root.get("services")
    found = dict(entries(listed if listed is not None else root))
    services = {key: Service(key, node, read) for key, node in found.items() if isinstance(node, Mapping)}
    files = {
        kind: {name: path for name, node in entries(root.get(kind)) if (path := text(get(node, "file")))}
        for kind in ("secrets", "configs")
    }
    for service in services.values():
        service.extend(services, files)
    hosts = _hosts(services)
    for service in services.values():
        service.convert(draft, services, hosts)
    _part_ports(draft)
    _top_notes(draft, root)
    return draft


def _part_ports(draft: ProjectDraft) -> None:
    """Leave a port to the first process that has it: containers may all listen on the same one."""
    owners: dict[int, str] = {}
    for name, keys in draft.processes.items():
        port = keys.get("port")
        if port is not None and owners.setdefault(port, name) != name:
            del keys["port"]
            words = f"port {port} is that of {owners[port]}, too: make one of them listen on another port"
            draft.note(NoteKind.MANUAL, f"{name}.ports", words)


def _hosts(services: dict[str, Service]) -> dict[str, dict[int, int]]:
    """Map each host name that services have to its ports: in the container -> on this machine."""
    hosts: dict[str, dict[int, int]] = {}
    for service in services.values():
        for name in service.host_names():
            hosts[name] = service.listening()
    return hosts


def _top_notes(draft: ProjectDraft, root: Mapping) -> None:
    for key, value in entries(root):
        if key in _IGNORED and get(root, "services") is not None:
            draft.note(NoteKind.DROPPED, key, _IGNORED[key], value)
        elif key == "volumes":
            draft.note(
                NoteKind.CHANGED, key, "named volumes are folders below `data/`; add `data/` to .gitignore", value
            )
        elif key == "include":
            draft.note(NoteKind.MANUAL, key, "convert the included files, and name the results in `include`", value)
