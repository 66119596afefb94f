"""An archive that came out of a sandbox -> files of this disk. Nobody vouches for it: nothing of it goes elsewhere."""

from __future__ import annotations

import os
import tarfile

from sbxcompose.errors import SbxError


def unpack(archive: str, target: str, *, owners: bool = False) -> tuple[int, int]:
    """Unpack into the folder `target`, made if it is missing; how many files there were, and their size in bytes.

    `owners`: with their owners, which only root may. Raises `SbxError` for a member that would end up elsewhere.
    """
    if not hasattr(tarfile, "data_filter"):
        raise SbxError("this Python is too old to unpack what a sandbox sends", hint="3.11.4 and newer do it safely")
    files = size = 0

    def checked(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        nonlocal files, size
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return None  # sockets and devices stay where they are
        mode, uid, gid = member.mode, member.uid, member.gid
        safe = tarfile.data_filter(member, path)
        files += 0 if member.isdir() else 1
        size += member.size if member.isreg() else 0
        safe = safe.replace(mode=mode & 0o777, deep=False)
        return safe.replace(uid=uid, gid=gid, deep=False) if owners else safe

    os.makedirs(target, exist_ok=True)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(target, numeric_owner=True, filter=checked)
    except tarfile.FilterError as error:
        hint = "`-L` copies what links point to instead"
        raise SbxError(f"what the sandbox sent leads out of the folder: {error}", hint=hint) from error
    except tarfile.TarError as error:
        raise SbxError(f"the sandbox sent an invalid archive: {error}") from error
    return files, size
