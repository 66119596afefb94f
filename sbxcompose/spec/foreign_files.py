"""Recognise the files of other tools, by their name or their shape; pure.

What is recognised is answered with one message instead of a mistake for each of its keys. A file that is valid
here is never taken for another tool's: every sign below is a key that this program does not have.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from enum import Enum

from sbxcompose.spec.nodes import Mapping, Node, Scalar, Sequence

GUIDE = "https://github.com/sbxcompose/sbxcompose/blob/main/docs/from-other-tools.md"
OWN = "sbxcompose"
"""How the names of our own files begin."""

RESULT = "sbxcompose.yaml"


class Tool(Enum):
    """A tool whose files are recognised: what such a file is called, and its section in the guide."""

    COMPOSE = "a Docker Compose file", "docker-compose"
    PROCESS_COMPOSE = "a process-compose file", "process-compose"
    SUPERVISORD = "a supervisord configuration", "supervisord"
    PM2 = "a pm2 file", "pm2"
    MPROCS = "an mprocs file", "mprocs"
    TILT = "a Tiltfile", "tilt"

    @property
    def file(self) -> str:
        """What its file is called, with an article."""
        return self.value[0]

    def remedy(self, name: str) -> str:
        """Return what to do with a file of that name. This is the only place that says so."""
        if self is Tool.TILT:
            return f"write a `sbxcompose.yaml`; {GUIDE}#{self.value[1]} lists what each key becomes there"
        first = ""
        if name == RESULT:  # it would be written over what it is made from
            name = f"{self.value[1]}.yaml"
            first = f"rename it to `{name}`; "
        converted = f"`sbxcompose convert {shlex.quote(name)} -o {RESULT}` converts it"
        return f"{first}{converted}; {GUIDE}#{self.value[1]} lists what each key becomes"


_NAMES = (
    (Tool.PROCESS_COMPOSE, r"process-compose([.-].*)?\.ya?ml"),
    (Tool.COMPOSE, r"(docker-)?compose([.-].*)?\.ya?ml"),
    (Tool.MPROCS, r"\.?mprocs([.-].*)?\.(ya?ml|json|lua)"),
    (Tool.SUPERVISORD, r"supervisord?([.-].*)?\.(conf|ini)"),
    (Tool.PM2, r"(ecosystem|pm2)([.-].*)?\.([cm]?[jt]s|json|ya?ml)"),
    (Tool.TILT, r"tiltfile(\..*)?"),
)
_TEXTS = (
    (
        Tool.SUPERVISORD,
        r"^\[(program:|supervisord\]|supervisorctl\]|unix_http_server\]|inet_http_server\]|group:|eventlistener:)",
    ),
    (Tool.PM2, r"\A(?=[\s\S]*(\bmodule\.exports\b|\bexport\s+default\b))(?=[\s\S]*\b(apps|script)['\"]?\s*:)"),
    (Tool.TILT, r"^(docker_build|custom_build|k8s_yaml|k8s_resource|local_resource|docker_compose)\("),
)
_PROCESS_COMPOSE_PROCESS = frozenset(
    (
        *("availability", "readiness_probe", "liveness_probe", "shutdown", "launch_timeout_seconds", "schedule"),
        *("is_daemon", "is_elevated", "is_foreground", "is_tty", "is_interactive", "is_dotenv_disabled"),
        *("ready_log_line", "log_location", "log_configuration", "disable_ansi_colors", "disabled", "namespace"),
    )
)
_PROCESS_COMPOSE_TOP = frozenset(
    (
        *("is_strict", "log_level", "log_length", "log_location", "log_configuration", "log_format"),
        *("ordered_shutdown", "disable_env_expansion", "env_cmds"),
    )
)
_OWN_PROCESS = frozenset(
    (
        *("health_check", "ready_when", "workdir", "autostart", "stop", "port", "watch", "restart", "profiles"),
        *("env", "stdin", "tty", "inherit_env", "restart_dependents", "stop_all_on"),
    )
)
"""Keys of a process that process-compose does not have."""
_WEAK = frozenset(("version", "environment", "working_dir"))
"""Keys that other tools have as well, and people write from memory."""


def by_name(name: str) -> Tool | None:
    """Return the tool whose files have a name (the last part of a path)."""
    return next((tool for tool, pattern in _NAMES if re.fullmatch(pattern, name, re.IGNORECASE)), None)


def by_text(name: str, text: str) -> Tool | None:
    """Return the tool, for files that are no YAML."""
    if name.lower().endswith((".yaml", ".yml")):
        return None
    if by_name(name) is Tool.TILT:
        return Tool.TILT
    return next((tool for tool, pattern in _TEXTS if re.search(pattern, text, re.MULTILINE)), None)


def by_shape(name: str, root: Node) -> Tool | None:
    """Return the tool whose file a tree of YAML or JSON is."""
    if not isinstance(root, Mapping):
        return Tool.PM2 if _has_scripts(root) else by_name(name)
    own = "processes" in root.entries or "sandboxes" in root.entries
    if _is_process_compose(name, root):
        return Tool.PROCESS_COMPOSE
    if own:
        return None
    if isinstance(root.get("services"), Mapping) or (not name.startswith(OWN) and _is_first_compose(root)):
        return Tool.COMPOSE
    if isinstance(root.get("procs"), Mapping):
        return Tool.MPROCS
    if _has_scripts(root.get("apps")) or (not name.startswith(OWN) and _has_scripts(root)):
        return Tool.PM2
    return by_name(name)


def _has_scripts(apps: Node | None) -> bool:
    """Return whether it is an app of pm2, or a list of them."""
    return any("script" in app.entries for app in _mappings(apps.items if isinstance(apps, Sequence) else [apps]))


def other_file(names: Iterable[str]) -> str | None:
    """Return what to do with a file in a folder without a file of this program: a Procfile of another name, or another
    tool's file.
    """
    listed = sorted(names, key=lambda name: (name.lower() != "procfile.dev", name))
    for name in listed:
        if re.fullmatch(r"Procfile[.-].+|.+\.Procfile", name, re.IGNORECASE):
            return f"there is a `{name}`: run `sbxcompose -f {shlex.quote(name)} up`"
    for name in listed:
        if (tool := by_name(name)) is not None:
            return f"`{name}` is {tool.file}: {tool.remedy(name)}"
    return None


def _is_first_compose(root: Mapping) -> bool:
    """Return whether it is a file of Compose before version 2, which had the services at the top."""
    return any(not {"image", "build"}.isdisjoint(service.entries) for service in _mappings(_values(root)))


def _is_process_compose(name: str, root: Mapping) -> bool:
    processes = root.get("processes")
    if not isinstance(processes, Mapping):
        return False
    strong, weak, own = set[str](), _WEAK.intersection(root.entries), name.startswith(OWN)
    strong.update(_PROCESS_COMPOSE_TOP.intersection(root.entries))
    for process in _mappings(_values(processes)):
        strong.update(_PROCESS_COMPOSE_PROCESS.intersection(process.entries))
        weak |= _WEAK.intersection(process.entries)
        strong.update(_conditions(process.get("depends_on")))
        own = own or not _OWN_PROCESS.isdisjoint(process.entries)
    if by_name(name) is not None:
        return bool(strong or weak)
    if own:
        # Our file, written from memory: a key or two are better answered one by one.
        return bool(strong) and len(strong | weak) > 2
    return bool(strong) or len(weak) > 1


def _conditions(needs: Node | None) -> Iterator[str]:
    """Yield what it is waited for, in words of process-compose."""
    for need in _mappings(_values(needs) if isinstance(needs, Mapping) else []):
        condition = need.get("condition")
        if isinstance(condition, Scalar) and condition.text.startswith("process_"):
            yield condition.text


def _values(mapping: Mapping) -> Iterator[Node]:
    return (value for _, value in mapping.entries.values())


def _mappings(nodes: Iterable[Node | None]) -> Iterator[Mapping]:
    return (node for node in nodes if isinstance(node, Mapping))
