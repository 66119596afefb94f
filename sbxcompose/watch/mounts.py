"""File systems whose changes the kernel does not report, because others make them; pure."""

from __future__ import annotations

import re

FOREIGN = frozenset(
    {
        *("9p", "afs", "ceph", "cifs", "coda", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"),
        *("fuse.gcsfuse", "fuse.glusterfs", "fuse.grpcfuse", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
        *("drvfs", "fakeowner", "fuse.vmhgfs-fuse", "prl_fs", "vboxsf", "virtiofs", "vmhgfs"),
    }
)
"""Network file systems, and folders that a virtual machine shares with its host."""
_ESCAPE = re.compile(r"\\([0-7]{3})")


def file_system(path: str, mounts: str) -> str:
    """Return the type of the file system that an absolute path is on, by the text of `/proc/self/mountinfo`; "" if
    unknown.
    """
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = _ESCAPE.sub(lambda found: chr(int(found[1], 8)), fields[4])
        below = point == "/" or path == point or path.startswith(point + "/")
        if below and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    return kind
