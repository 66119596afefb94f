"""What `cp` puts into a sandbox for a while, and what an earlier `cp` that was killed has left there.

A connection can be lost for good, and a second Ctrl-C or a SIGKILL ends a copy before it has cleaned up. So the names
tell which process of which machine they belong to, and the next copy that looks at the same place removes those whose
process is gone: at once if it ran on this machine, after a day if it ran on another one.
"""

from __future__ import annotations

import os
import posixpath
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import blake2b

PREFIX = ".sbxcompose.cp"
SHARED = "/tmp"
"""Where archives of folders are made that travel to this machine: the folder itself may not be writable."""
# Arguments of `left`: a folder, and the number that it has in the answer. A name from before the day is `old`.
LIST = (
    """left() { for f in "${1%/}"/.sbxcompose.cp.*; do if [ -e "$f" ]; then
if [ -n "$(find "$f" -prune -mtime +0 2>/dev/null)" ]; then a=old; else a=new; fi
echo "left $2 $a ${f##*/}"; fi; done; }
left "$1" 0; left "$2" 1; left "$3" 2; left """
    + SHARED
    + " 3"
)
"""Lists what is in the `folders`."""
_LINE = re.compile(
    r"left (?P<folder>[0-3]) (?P<age>old|new) "
    r"(?P<name>\.sbxcompose\.cp\.(?P<machine>[0-9a-f]{8})\.(?P<pid>[1-9][0-9]{0,9})\.[0-9a-f]{12}(\.[a-z0-9.]+)?)"
)


def temporary(folder: str) -> str:
    """Return an unused path in a folder of the sandbox. What belongs to it has names that begin with it and a dot."""
    return posixpath.join(folder, f"{PREFIX}.{machine()}.{os.getpid()}.{secrets.token_hex(6)}")


def folders(path: str, name: str) -> tuple[str, str, str, str]:
    """Return the folders that `LIST` looks at for a path, by their numbers; `name` is what may be put into it."""
    return path, posixpath.dirname(path.rstrip("/")) or "/", posixpath.join(path, name), SHARED


def abandoned(lines: Iterable[str], places: Sequence[str], is_alive: Callable[[int], bool] | None = None) -> list[str]:
    """Return the paths among those listed whose copy has ended. `is_alive` says it of a process of this machine."""
    found: dict[str, None] = {}
    for line in lines:
        told = _LINE.fullmatch(line)
        if told is None:
            continue
        mine = told["machine"] == machine()
        if not (is_alive or _is_alive)(int(told["pid"])) if mine else told["age"] == "old":
            found[posixpath.join(places[int(told["folder"])], told["name"])] = None
    return list(found)


@cache
def machine() -> str:
    """Tell this machine and its current boot from others: after a reboot process ids begin anew."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read()
    except OSError:
        boot = ""
    return blake2b(f"{os.uname().nodename}\0{boot}".encode(), digest_size=4).hexdigest()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
