"""Docker Compose files -> a draft of this project's file; pure, apart from the Dockerfiles that `read` returns.

A container becomes a process of this machine: its own network, file system and name disappear, so host names become
127.0.0.1, paths become paths of the project, named volumes become folders below `data/`, and images become native
programs where one is known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from sbxcompose.convert.compose_files import ComposeFiles, ReadText, project_path
from sbxcompose.convert.compose_mounts import volumes_of
from sbxcompose.convert.compose_notes import add_secret_notes
from sbxcompose.convert.compose_service import Service
from sbxcompose.convert.draft import NoteKind, ProjectDraft
from sbxcompose.convert.hosts import with_local_hosts
from sbxcompose.convert.values import entries, get, plain_names, text
from sbxcompose.spec.nodes import Mapping

_IGNORED = {
    "version": "not needed",
    "networks": "all processes share the network of this machine",
    "configs": "the files are used where they are in the project",
    "secrets": "the files are used where they are in the project",
}


def convert_compose(root: Mapping, read: ReadText) -> ProjectDraft:
    """Convert a Compose file, with those that belong to it. Raises `InvalidSpec` for loops and broken files."""
    draft = ProjectDraft()
    files = ComposeFiles(draft, read)
    root = files.whole(root)
    if (name := text(root.get("name"))) is not None and re.fullmatch(r"[a-z][a-z0-9-]*", name):
        draft.top["name"] = name
    listed = root.get("services")
    found = {key: node for key, node in entries(listed or root) if isinstance(node, Mapping)}
    names = plain_names(found)
    mounted = {
        kind: {name: project_path(get(node, "file")) for name, node in entries(root.get(kind)) if get(node, "file")}
        for kind in ("secrets", "configs")
    }
    whole = {key: files.extended(node, found) for key, node in found.items()}
    services = {key: Service((names[key], key), node, mounted, files) for key, node in whole.items()}
    _share_network(services.values())
    volumes = Counter(source for node in whole.values() for source, *_ in volumes_of(node))
    hosts = {name: service.listening() for service in services.values() for name in service.host_names()}
    for service in services.values():
        service.convert(draft, services, hosts, volumes)
    for key, node in whole.items():
        add_secret_notes(draft, names[key], node, root)
    _part_ports(draft)
    _let_complete(draft)
    _open_cycles(draft)
    _file_notes(draft, files, hosts)
    _top_notes(draft, root)
    return draft


def _share_network(services: Collection[Service]) -> None:
    """Move ports that several services have: containers may all listen on the same one."""
    owners = {port: service.name for service in reversed(list(services)) for port in service.published()}
    for service in services:
        service.move_from(owners)


def _part_ports(draft: ProjectDraft) -> None:
    """Leave a port to the first process that has it: containers may all listen on the same one."""
    owners: dict[int, str] = {}
    for name, keys in draft.processes.items():
        port = keys.get("port")
        if port is not None and owners.setdefault(port, name) != name:
            del keys["port"]
            words = f"port {port} is also used by {owners[port]}: make one of them listen on another port"
            draft.note(NoteKind.MANUAL, f"{name}.ports", words)


def _let_complete(draft: ProjectDraft) -> None:
    """Make one-shots of services that others need completed: one that is always restarted never completes."""
    conditions = (
        (name, need) for keys in draft.processes.values() for name, need in keys.get("depends_on", {}).items()
    )
    for name, need in conditions:
        condition = need.get("condition") if isinstance(need, dict) else need
        needed = draft.processes.get(name, {})
        if condition == "completed" and needed.get("restart") == "always":
            needed["restart"] = "on_failure"
            draft.note(NoteKind.CHANGED, f"{name}.restart", "restarted on failure only: others need it completed")


def _open_cycles(draft: ProjectDraft) -> None:
    """Leave out what makes a service of a profile part of a cycle: Compose only sees that with the profile active."""
    for name, keys in draft.processes.items():
        needs = keys.get("depends_on", {})
        for need in [need for need in needs if keys.get("profiles") and name in _needs_of(draft, need)]:
            del needs[need]
            words = f"`{need}` depends on it in turn, and is left out: remove one of the two before using the profile"
            draft.note(NoteKind.MANUAL, f"{name}.depends_on", words)
        if not needs:
            keys.pop("depends_on", None)


def _needs_of(draft: ProjectDraft, name: str) -> set[str]:
    """Return all that a process needs, and itself."""
    found, left = set[str](), [name]
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left += draft.processes.get(name, {}).get("depends_on", {})
    return found


def _file_notes(draft: ProjectDraft, files: ComposeFiles, hosts: dict[str, dict[int, int]]) -> None:
    """Name what has to change in files of variables, which are used as they are."""
    given = [keys.get("env_file", []) for keys in draft.processes.values()]
    paths = [path for item in given for path in (item if isinstance(item, list) else [item])]
    for path in dict.fromkeys([".env", *(path if isinstance(path, str) else path["path"] for path in paths)]):
        for name, value in files.variables(path).items():
            here = with_local_hosts(name, value, hosts)
            if here != value:
                draft.note(NoteKind.MANUAL, path, f"`{name}` names a service: make it `{here}`")


def _top_notes(draft: ProjectDraft, root: Mapping) -> None:
    for key, value in entries(root):
        if key in ("secrets", "configs") and not any(get(node, "file") for _, node in entries(value)):
            continue  # each service that uses one has a note
        if key in _IGNORED and get(root, "services") is not None:
            draft.note(NoteKind.DROPPED, key, _IGNORED[key], value)
        elif key == "volumes":
            draft.note(
                NoteKind.CHANGED, key, "named volumes are folders below `data/`; add `data/` to .gitignore", value
            )
