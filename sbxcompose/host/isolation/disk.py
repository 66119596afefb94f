"""The disk of an isolated sandbox: the layers above the directories of the machine, and all that is the sandbox's own.

`root` becomes its root directory; `layers/NAME/upper` has what was written into a directory of the machine. Together
they are what a snapshot copies. `disk_image` has the disks of limited size.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from sbxcompose.host.base import trees
from sbxcompose.host.base.trees import CopySize
from sbxcompose.host.isolation import facts as machine
from sbxcompose.host.isolation.plan import (
    LINKS,
    OPEN,
    OWN,
    PYTHON,
    USER,
    USER_HOME,
    USER_ID,
    MachineFacts,
    layer_of,
    overlays,
)
from sbxcompose.linux.kernel import read_text

DISK = "disk"
ROOT = "root"
_MODE = 0o755
FIRST_PERSON, LAST_PERSON = 1000, 60_000
"""User ids of people, whose accounts no sandbox needs."""


def make(disk: str, facts: MachineFacts, *, workspace: str, hostname: str) -> None:
    """Make what is on the disk of a new sandbox. Raises `OSError`."""
    _make_root(os.path.join(disk, ROOT), facts, workspace)
    _make_layers(disk, facts)
    etc = os.path.join(disk, layer_of("etc"), "upper")
    if os.path.isdir(etc):
        _seed_accounts(etc, facts)
        _seed(etc, "hostname", f"{hostname}\n")
        _seed(etc, "hosts", f"{read_text('/etc/hosts').rstrip()}\n127.0.1.1 {hostname}\n")
        if facts.privileged:
            _hide_secrets(etc)
    _provide_python(disk, facts)


def _make_root(root: str, facts: MachineFacts, workspace: str) -> None:
    os.mkdir(root)
    for path in (*OWN, *facts.directories, workspace):
        _make_directories(root, path)
    os.chmod(root, _MODE)
    for path in OPEN:
        os.chmod(os.path.join(root, path), 0o1777)
    os.chmod(os.path.join(root, "root"), 0o700)
    for path, target in {**LINKS, **machine.links()}.items():
        os.symlink(target, os.path.join(root, path))
    if facts.privileged:
        os.chown(root + USER_HOME, USER_ID, USER_ID)
        os.chown(os.path.join(root, workspace.strip("/")), USER_ID, USER_ID)


def _make_directories(root: str, path: str) -> None:
    """Make a directory and those above it with the mode that they would have without the host's own mask."""
    directory = root
    for name in path.strip("/").split("/"):
        directory = os.path.join(directory, name)
        if not os.path.isdir(directory):
            os.mkdir(directory)
            os.chmod(directory, _MODE)


def _make_layers(disk: str, facts: MachineFacts) -> None:
    for path in overlays(facts):
        upper = os.path.join(disk, layer_of(path), "upper")
        os.makedirs(upper)
        os.mkdir(os.path.join(disk, layer_of(path), "work"))
        _copy_mode(upper, f"/{path}", facts)


def _copy_mode(copy: str, original: str, facts: MachineFacts) -> None:
    """Give a directory of a layer the mode and owner of the one below it, which it stands for."""
    found = os.stat(original)
    os.chmod(copy, stat.S_IMODE(found.st_mode))
    if facts.privileged:
        os.chown(copy, found.st_uid, found.st_gid)


def _seed_accounts(etc: str, facts: MachineFacts) -> None:
    user = f"{USER}:x:{USER_ID}:{USER_ID}::{USER_HOME}:/bin/bash\n"
    _seed(etc, "passwd", _system_lines(read_text("/etc/passwd")) + user)
    _seed(etc, "group", _system_lines(read_text("/etc/group"), members=False) + f"{USER}:x:{USER_ID}:\n")
    # `*` is the hash of no password.
    for name in ("shadow", "gshadow") if facts.privileged else ():
        _seed(etc, name, f"root:*::::::::\n{USER}:*::::::::\n" if name == "shadow" else f"root:*::\n{USER}:!::\n")
        os.chmod(os.path.join(etc, name), 0o640)


def _system_lines(text: str, *, members: bool = True) -> str:
    """Return the accounts, or groups, that are not of people."""
    lines = [line.split(":") for line in text.splitlines() if line.count(":") >= 3]
    kept = [fields for fields in lines if not _is_person(fields[2]) and fields[0] != USER]
    return "".join(":".join(fields if members else [*fields[:3], ""]) + "\n" for fields in kept)


def _is_person(number: str) -> bool:
    return number.isdecimal() and FIRST_PERSON <= int(number) < LAST_PERSON


def _seed(directory: str, name: str, text: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.chmod(os.path.join(directory, name), 0o644)


def _hide_secrets(etc: str) -> None:
    """Remove from a sandbox of root's what of /etc only root, or a group, may read: keys and passwords."""
    for inner, name in list(_secrets("/etc")):
        _white_out(etc, inner, name)


def _secrets(directory: str, inner: str = ".") -> Iterator[tuple[str, str]]:
    """Yield the relative directory and name of what others may not read, or not enter.

    At each create /etc is walked anew, as its files change: by names and modes alone, which takes a third of the time
    of os.walk(). What a symbolic link leads to is looked at where it is.
    """
    with suppress(FileNotFoundError), os.scandir(directory) as entries:  # what is there may vanish meanwhile
        for entry in entries:
            if entry.is_symlink():
                continue
            with suppress(FileNotFoundError):
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) and mode & stat.S_IXOTH:
                    yield from _secrets(entry.path, entry.name if inner == "." else f"{inner}/{entry.name}")
                elif stat.S_ISDIR(mode) or (stat.S_ISREG(mode) and not mode & stat.S_IROTH):
                    yield inner, entry.name


def _white_out(etc: str, inner: str, name: str) -> None:
    """Let a name of the lower layer be missing, as the kernel itself records a removed one."""
    directory = etc
    for part in inner.split("/") if inner != "." else ():
        directory = os.path.join(directory, part)
        if not os.path.isdir(directory):
            os.mkdir(directory)
            found = os.stat("/etc/" + os.path.relpath(directory, etc))
            os.chmod(directory, stat.S_IMODE(found.st_mode))
            os.chown(directory, found.st_uid, found.st_gid)
    if not os.path.lexists(os.path.join(directory, name)):
        os.mknod(os.path.join(directory, name), stat.S_IFCHR, os.makedev(0, 0))


def _provide_python(disk: str, facts: MachineFacts) -> None:
    """Let there be `python` where the machine has only `python3`, and both where it has none."""
    if "usr" not in overlays(facts):
        return
    wanted = dict.fromkeys(("python", "python3"), f"/{PYTHON}/bin/python3") if facts.python is not None else {}
    if facts.python is None and not any(map(os.path.exists, ("/usr/bin/python", "/usr/local/bin/python"))):
        wanted = {"python": "python3" if os.path.exists("/usr/local/bin/python3") else "/usr/bin/python3"}
    directory = os.path.join(disk, layer_of("usr"), "upper")
    for part in ("local", "bin") if wanted else ():
        directory = os.path.join(directory, part)
        os.mkdir(directory)
        os.chmod(directory, _MODE)
    for name, target in wanted.items():
        os.symlink(target, os.path.join(directory, name))


def copy(source: str, target: str) -> CopySize:
    """Copy what is on a disk into the directory `target`, which is empty. Raises `OSError`."""
    size = CopySize()
    for part in (ROOT, *(f"layers/{name}/upper" for name in os.listdir(os.path.join(source, "layers")))):
        os.makedirs(os.path.join(target, part))
        copied = trees.copy_tree(os.path.join(source, part), os.path.join(target, part))
        size.content += copied.content
        size.disk += copied.disk
        if part != ROOT:
            # The kernel's own directory for a layer: never copied, and empty at each mount.
            os.mkdir(os.path.join(target, os.path.dirname(part), "work"))
    return size


def remove(disk: str) -> None:
    """Remove a disk. Raises `OSError`."""
    trees.remove_tree(disk)
