"""The runs whose output this machine keeps, without asking its host: from the files of the state directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sbxcompose.host.logs.kept_runs import kept_runs
from sbxcompose.paths import state_path
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Project


class _SandboxOnDisk(msgspec.Struct):
    """What is needed of the record of a sandbox."""

    name: str | None
    project_directory: str | None = None


def recorded_runs(project: Project, environ: Mapping[str, str]) -> dict[Instance, set[int]]:
    """Return the numbers of the runs of each instance that has output, in the local sandboxes of a project.

    What cannot be read is left out. Without a state directory there is nothing, and none is made.
    """
    local = {box.full_name: box for box in project.sandboxes if project.provider_of(box) == "local"}
    found: dict[Instance, set[int]] = {}
    for directory in _directories(state_path(environ) / "sandboxes"):
        record = _record(directory / "sandbox.json")
        box = local.get(record.name or "") if record is not None else None
        if box is None or (record is not None and record.project_directory not in (None, project.directory)):
            continue
        for log, runs in kept_runs(directory / "logs"):
            process, _, replica = log.rpartition(".")
            if process and replica.isdecimal():
                found.setdefault(Instance(box.name, process, int(replica)), set()).update(runs)
    return found


def _directories(parent: Path) -> list[Path]:
    try:
        return [parent / name for name in sorted(os.listdir(parent))]
    except OSError:
        return []


def _record(path: Path) -> _SandboxOnDisk | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_SandboxOnDisk)
    except (OSError, msgspec.DecodeError):
        return None
