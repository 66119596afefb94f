"""Which tool's file it is, by its name or its shape; pure."""

from __future__ import annotations

import re

from sbxcompose.errors import InvalidSpec, UsageError
from sbxcompose.spec.foreign_files import OWN, Tool, by_name, by_shape, by_text
from sbxcompose.spec.nodes import Document, Mapping
from sbxcompose.spec.procfile import is_procfile
from sbxcompose.spec.yaml import Malformed, read_yaml

CANDIDATES = (
    *("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"),
    *("process-compose.yaml", "process-compose.yml", "Procfile.dev", "Procfile", "supervisord.conf"),
    *("mprocs.yaml", "mprocs.yml", "ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.json"),
)
"""What is looked for when no file is named."""

_FORMATS = {
    Tool.COMPOSE: "compose",
    Tool.PROCESS_COMPOSE: "process-compose",
    Tool.SUPERVISORD: "supervisord",
    Tool.PM2: "pm2",
    Tool.MPROCS: "mprocs",
}
_PROCFILE_NAME = re.compile(r"procfile(\..*)?|.*\.procfile", re.IGNORECASE)


def detect(name: str, document: Document) -> str:
    """Return the format of a file. Raises `UsageError` if nothing tells it, `InvalidSpec` for broken YAML."""
    if _PROCFILE_NAME.fullmatch(name):
        return "procfile"
    # What it holds comes first: files of process-compose are sometimes called `compose.yaml`.
    tool = by_text(name, document.text) or _by_tree(name, document) or by_name(name)
    if tool in _FORMATS:
        return _FORMATS[tool]
    if tool is None and not document.text.strip():
        raise UsageError(f"{document.name} is empty")
    if tool is None and name.endswith((".yaml", ".yml")):
        _check_yaml(document)
    if tool is None and is_procfile(name, document.text):
        return "procfile"
    if tool is not None:
        raise UsageError(f"{document.name} is {tool.file}, which cannot be converted", hint=tool.remedy(document.name))
    if name.startswith(OWN):
        raise UsageError(f"{document.name} is not a file of another tool", hint="`sbxcompose config` validates it")
    raise UsageError(f"{document.name}: unknown format", hint="name it with `--from`, for example `--from compose`")


def _check_yaml(document: Document) -> None:
    """Raise `InvalidSpec` for broken YAML: that is what is wrong with it, and not its name."""
    try:
        read_yaml(document, [])
    except Malformed as error:
        raise InvalidSpec([error.mistake]) from None


def _by_tree(name: str, document: Document) -> Tool | None:
    try:
        root = read_yaml(document, [])
    except Malformed:
        return None
    if not isinstance(root, Mapping):
        return None
    found = by_shape(name, root)
    if found is None and not name.startswith(OWN) and isinstance(root.get("processes"), Mapping):
        # Nothing but `processes` and commands could be of this project's format; the name means that it is not.
        return Tool.PROCESS_COMPOSE
    return found
