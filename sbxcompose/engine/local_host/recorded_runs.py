"""The runs whose output this machine keeps, without asking its host: from the files of the state directory.

Completion reads them while a person types, so nothing is imported that takes long (msgspec and pathlib do).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from sbxcompose.host.logs.kept_runs import kept_runs
from sbxcompose.state_place import state_place

Recorded = dict[tuple[str, str, int], set[int]]
"""Numbers of runs by sandbox, process and replica."""


def recorded_runs(sandboxes: Mapping[str, str], folder: str, environ: Mapping[str, str]) -> Recorded:
    """Return the numbers of the runs of each instance that has output, in the local sandboxes of a project.

    `sandboxes`: their names in the file by their full names; `folder`: the project's. What cannot be read is left out.
    Without a state directory there is nothing, and none is made.
    """
    found: Recorded = {}
    for directory in _directories(os.path.join(state_place(environ), "sandboxes")):
        record = _record(os.path.join(directory, "sandbox.json"))
        sandbox = sandboxes.get(str(record.get("name")))
        if sandbox is None or record.get("project_directory") not in (None, folder):
            continue
        for log, runs in kept_runs(os.path.join(directory, "logs")):
            process, _, replica = log.rpartition(".")
            if process and replica.isdecimal():
                found.setdefault((sandbox, process, int(replica)), set()).update(runs)
    return found


def _directories(parent: str) -> list[str]:
    try:
        return [os.path.join(parent, name) for name in sorted(os.listdir(parent))]
    except OSError:
        return []


def _record(path: str) -> Mapping[str, object]:
    import json

    try:
        with open(path, "rb") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
