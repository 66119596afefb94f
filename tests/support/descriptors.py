"""What processes have open."""

from __future__ import annotations

import os
from contextlib import suppress


def targets(pid: int | str = "self") -> list[str]:
    """What the descriptors of a process lead to. One that is closed while they are listed has none any longer."""
    directory, found = f"/proc/{pid}/fd", []
    for name in os.listdir(directory):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"{directory}/{name}"))
    return found
