"""Which tool's file it is, by its name or its shape; pure."""

from __future__ import annotations

import re

from sbxcompose.errors import UsageError
from sbxcompose.spec.nodes import Document

CANDIDATES = (
    *("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"),
    *("process-compose.yaml", "process-compose.yml", "Procfile.dev", "Procfile", "supervisord.conf"),
    *("mprocs.yaml", "mprocs.yml", "ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.json"),
)
"""What is looked for when no file is named."""

_BY_NAME = (
    (r"process-compose([.-].*)?\.ya?ml", "process-compose"),
    (r".*compose([.-].*)?\.ya?ml", "compose"),
    (r"\.?mprocs([.-].*)?\.(ya?ml|json)", "mprocs"),
    (r"supervisord?([.-].*)?\.(conf|ini)", "supervisord"),
    (r"(ecosystem|pm2)([.-].*)?\.([cm]?[jt]s|json|ya?ml)", "pm2"),
    (r"procfile(\..*)?|.*\.procfile", "procfile"),
)
_BY_TEXT = (
    (r"^\[program:", "supervisord"),
    (r"\bmodule\.exports\b|\bexport\s+default\b|[\"']?apps[\"']?\s*:\s*\[", "pm2"),
    (r"^\s*[\"']?procs[\"']?\s*:", "mprocs"),
    (r"^\s*[\"']?services[\"']?\s*:", "compose"),
    (r"^\s*[\"']?processes[\"']?\s*:", "process-compose"),
    (r"^[A-Za-z0-9_.-]+:[ \t]*\S", "procfile"),
)


def detect(name: str, document: Document) -> str:
    """Return the format of a file. Raises `UsageError` if nothing tells."""
    for pattern, source in _BY_NAME:
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return source
    for pattern, source in _BY_TEXT:
        if re.search(pattern, document.text, re.MULTILINE):
            return source
    raise UsageError(f"{document.name}: unknown format", hint="name it with `--from`, for example `--from compose`")
