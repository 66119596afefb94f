"""What has to be copied into a sandbox before anything is started in it, as the planner is told it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class ToCopy(Struct, frozen=True):
    """Counts of files to send, to delete, and to change the mode of; of folders to make; bytes; the first names."""

    files: int = 0
    deleted: int = 0
    modes: int = 0
    folders: int = 0
    size: int = 0
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        changed = self.files + self.modes
        counts = [
            (f"{changed} {_files(changed)} changed", changed),
            (f"{self.deleted} {_files(self.deleted)} deleted", self.deleted),
            (f"{self.folders} {'folder' if self.folders == 1 else 'folders'} changed", self.folders and not changed),
        ]
        said = ", ".join(text for text, count in counts if count)
        more = ", …" if changed + self.deleted > len(self.names) and (changed or self.deleted) else ""
        return f"{said} ({', '.join(self.names)}{more})" if self.names else said

    def to_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "files": self.files,
            "deleted": self.deleted,
            "modes": self.modes,
            "folders": self.folders,
            "bytes": self.size,
            "names": list(self.names),
        }


def _files(count: int) -> str:
    return "file" if count == 1 else "files"
