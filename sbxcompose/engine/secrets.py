"""The values that must never be printed: those of today, and those that runs were started with."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sbxcompose.api.frames import StartNote
from sbxcompose.api.models import StartRequest
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Project


def secret_values(project: Project, environ: Mapping[str, str] = os.environ) -> set[str]:
    """Return the values of the variables that `secrets` names, in the file or around us."""
    values: set[str] = set()
    for process in project.every_process():
        if process.secrets:
            env = dict(process.env)
            values |= {env.get(name) or environ.get(name, "") for name in process.secrets}
    return values - {""}


def secrets_of(request: StartRequest, base: Mapping[str, str]) -> set[str]:
    """Return the values of the secrets with which a process is started."""
    env = {**base, **request.env}
    return {env[name] for name in request.secrets if env.get(name)}


def note_secrets(known: KnownSecrets, instance: Instance, note: StartNote) -> None:
    """Mask what runs of an instance were started with, too."""
    known.note((instance.sandbox, instance.process, instance.replica), note.run, note.time, note.secrets)
