"""The values that must never be printed, as far as the project's file and our own environment know them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sbxcompose.spec.project import Project


def secret_values(project: Project, environ: Mapping[str, str] = os.environ) -> set[str]:
    """The values of the variables that `secrets` names, in the file or around us."""
    values: set[str] = set()
    for process in project.every_process():
        if process.secrets:
            env = dict(process.env)
            values |= {env.get(name) or environ.get(name, "") for name in process.secrets}
    return values - {""}
