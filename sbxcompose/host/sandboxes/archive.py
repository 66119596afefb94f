"""What is recorded of a sandbox and what ran in it, whether it lives or is terminated: for the persisted logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from sbxcompose.api.models import ProcessInfo
from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.host.logs.directory import LogDirectory
from sbxcompose.host.logs.store import LogStore
from sbxcompose.host.supervise import describe
from sbxcompose.host.supervise.records import Records


class ArchivedSandbox(Struct, frozen=True):
    """A sandbox, its logs by name, and its rows, the newest last."""

    info: SandboxInfo
    logs: Mapping[str, LogStore]
    rows: Sequence[ProcessInfo]


def read(info: SandboxInfo, directory: Path) -> ArchivedSandbox:
    """Return what the records of a terminated sandbox say."""
    found = [describe.describe(record) for record in Records(directory / "processes").load() if record.run is not None]
    return ArchivedSandbox(info, LogDirectory(directory / "logs"), found)
