"""The values that must never be printed."""

from __future__ import annotations

import os

from sbxcompose.spec.project import Project


def secret_values(project: Project) -> set[str]:
    """The values that must never be printed: of the variables that `secrets` names, in the file or around us."""
    values: set[str] = set()
    for process in project.every_process():
        if process.secrets:
            env = dict(process.env)
            values |= {env.get(name) or os.environ.get(name, "") for name in process.secrets}
    return values - {""}
