"""What a host writes down of itself in its state directory: for commands, before they ask it, and for its successors.

The file is there while a host runs, and after one that was killed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sbxcompose.host.base import damage
from sbxcompose.version import __version__

INFO_FILE = "host.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read(state: Path) -> dict[str, Any]:
    """Return what the file says; nothing if there is none that makes sense."""
    try:
        value = damage.decode(damage.read_file(state / INFO_FILE))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def contents(tcp: str | None) -> dict[str, Any]:
    """Return what is to be written down; `tcp` is the address over TCP, if there is one."""
    return {"version": __version__, "tcp": tcp, "boot": _boot()}


def was_rebooted(state: Path) -> bool:
    """Return whether the machine was restarted after the last host that was killed had begun."""
    before = read(state).get("boot")
    return isinstance(before, str) and before != _boot()


def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:  # a kernel that does not tell
        return ""
