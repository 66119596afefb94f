"""Whether this system can have a host: the provider `local` needs Linux."""

from __future__ import annotations

import sys

from sbxcompose.errors import Unsupported

HINT = "set `provider: tensorlake`, or run sbxcompose on a Linux machine or in a Linux container"
_NAMES = {"darwin": "macOS", "win32": "Windows"}


def is_linux() -> bool:
    """Return whether this machine runs Linux."""
    system: str = sys.platform
    return system == "linux"


def system_name() -> str:
    """Return what people call this system."""
    return _NAMES.get(sys.platform, sys.platform)


def require_linux() -> None:
    """Raise `Unsupported` on systems other than Linux, which the host needs."""
    if not is_linux():
        raise Unsupported(f"the provider `local` needs Linux; this is {system_name()}", hint=HINT)
