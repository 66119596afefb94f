"""What of a Compose service has no counterpart, or is left to a person; pure."""

from __future__ import annotations

import posixpath

from sbxcompose.convert.draft import ProcessDraft, ProjectDraft
from sbxcompose.convert.values import entries, get, text
from sbxcompose.spec.nodes import Mapping, Node, Sequence

_DROPPED = {
    "container_name": "processes are named by their key",
    "hostname": "processes share the name of this machine",
    "domainname": "processes share the name of this machine",
    "networks": "processes share the network of this machine",
    "network_mode": "processes share the network of this machine",
    "expose": "every port is reachable from the other processes",
    "logging": "logs are kept; see `sbxcompose logs`",
    "platform": "the program runs on this machine",
    "pull_policy": "no image is pulled",
    "init": "every process is reaped and ended with its descendants",
    "shm_size": "the shared memory of this machine is used",
    "attach": "see `up --no-attach`",
    "ulimits": "the limits of this machine apply",
    "annotations": "they are for containers",
    "runtime": "the devices of this machine are there",
    "gpus": "the devices of this machine are there",
    "mac_address": "processes share the network of this machine",
    "version": "not needed",
}
_CONVERTED = frozenset(
    (
        *(
            "image",
            "build",
            "command",
            "entrypoint",
            "environment",
            "env_file",
            "ports",
            "volumes",
            "depends_on",
            "links",
        ),
        *("healthcheck", "restart", "profiles", "labels", "tty", "stdin_open", "working_dir", "user", "stop_signal"),
        *("stop_grace_period", "scale", "secrets", "configs", "extends", "develop"),
    )
)
_LIMITS = ("deploy", "mem_limit", "memswap_limit", "mem_reservation", "cpus", "cpu_shares", "cpuset", "pids_limit")
_PRIVILEGES = frozenset(
    (
        *("privileged", "cap_add", "cap_drop", "security_opt", "devices", "userns_mode", "pid", "ipc", "sysctls"),
        *("group_add", "read_only", "cgroup", "cgroup_parent", "oom_kill_disable", "oom_score_adj"),
    )
)
_DEPLOYED = ("replicas", "restart_policy", "resources")


def add_notes(process: ProcessDraft, node: Mapping) -> None:
    """Add a note for each key without a counterpart."""
    for key, value in entries(node):
        if key in _DROPPED:
            process.dropped(key, _DROPPED[key], value)
        elif key in _LIMITS:
            _limit_notes(process, key, value)
        elif key in _PRIVILEGES:
            process.dropped(key, "the process has the rights of the user who runs it", value)
        elif key not in _CONVERTED and not key.startswith("x-"):
            process.todo(key, "no counterpart; check whether the process needs it", value)


def add_secret_notes(draft: ProjectDraft, name: str, node: Mapping, root: Mapping) -> None:
    """Add a note for each secret and configuration that is not a file of the project."""
    for kind, folder in (("secrets", "/run/secrets"), ("configs", "/")):
        used = node.get(kind)
        for item in used.items if isinstance(used, Sequence) else []:
            key = text(item) or text(get(item, "source")) or ""
            defined = get(root, kind, key)
            if text(get(defined, "file")) is None:
                target = posixpath.join(folder, text(get(item, "target")) or key)
                words = f"{_origin(defined)}: write it into a file, and point the process to that instead of `{target}`"
                draft.process(name).todo(kind, f"`{key}` comes from {words}", item)


def _origin(defined: Node | None) -> str:
    if (variable := text(get(defined, "environment"))) is not None:
        return f"the variable `{variable}`"
    return "`content` in the file" if get(defined, "content") is not None else "outside of the file"


def _limit_notes(process: ProcessDraft, key: str, value: Node) -> None:
    if key != "deploy" or get(value, "resources") is not None:
        process.dropped(key, "limits of single processes are not supported", value)
    others = [name for name, _ in entries(value) if name not in _DEPLOYED] if key == "deploy" else []
    if others:
        process.dropped(key, f"{', '.join(f'`{name}`' for name in others)}: for clusters only", value)
