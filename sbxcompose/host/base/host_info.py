"""What a host writes down of itself in its state directory: for commands, before they ask it, and for its successors.

The file is there while a host runs, and after one that was killed.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Any

from sbxcompose.host.base import damage
from sbxcompose.version import __version__

INFO_FILE = "host.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Interruption(Enum):
    """What has interrupted the runs that are recorded: why they are not there, unless the keeper still holds them."""

    HOST_KILLED = "the host ended"
    REBOOTED = "the machine was restarted"
    COPIED = "the state directory was copied"
    """What is recorded runs under the host of the original, and does not belong to this one."""

    @property
    def for_good(self) -> bool:
        """Whether nothing of them is started again."""
        return self is not Interruption.HOST_KILLED


def read(state: Path) -> dict[str, Any]:
    """Return what the file says; nothing if there is none that makes sense."""
    try:
        value = damage.decode(damage.read_file(state / INFO_FILE))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def contents(state: Path, tcp: str | None, keeper: int) -> dict[str, Any]:
    """Return what is to be written down; `tcp` is the address over TCP, if there is one."""
    return {"version": __version__, "tcp": tcp, "keeper": keeper, "boot": _boot(), "state": _identity(state)}


def interruption(state: Path) -> Interruption:
    """Return what has happened since the last host that was killed had begun."""
    before = read(state)
    boot, directory = before.get("boot"), before.get("state")
    if isinstance(boot, str) and boot != _boot():
        return Interruption.REBOOTED
    if isinstance(directory, list) and directory != _identity(state):
        return Interruption.COPIED
    return Interruption.HOST_KILLED


def is_same_boot(state: Path) -> bool:
    """Return whether the last host that was killed is known to have run since the machine was started."""
    return read(state).get("boot") == _boot() != ""


def _identity(state: Path) -> list[int]:
    """Device and inode of the state directory, which no copy has."""
    found = os.stat(state)
    return [found.st_dev, found.st_ino]


def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:  # a kernel that does not tell
        return ""
