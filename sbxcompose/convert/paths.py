"""Paths of a container -> paths of the project; pure."""

from __future__ import annotations

import posixpath
import re


class Paths:
    """Where folders of a container lie in the project: bind mounts, and what a Dockerfile copies."""

    def __init__(self) -> None:
        self._mounts: dict[str, str] = {}
        self.base = "."
        """The working directory in the project: rewritten paths are relative to it."""

    def mount(self, inside: str, outside: str) -> None:
        """Add a folder or file; the first one for a place wins."""
        self._mounts.setdefault(_clean(inside), posixpath.normpath(outside))

    @property
    def files(self) -> dict[str, str]:
        """Path in the container -> path in the project."""
        return dict(self._mounts)

    def outside(self, inside: str) -> str | None:
        """Return the path in the project; None for a path that lies nowhere in it."""
        path = _clean(inside)
        for mount in sorted(self._mounts, key=len, reverse=True):
            if path == mount or path.startswith(mount.rstrip("/") + "/"):
                rest = path[len(mount.rstrip("/")) :].lstrip("/")
                return posixpath.normpath(posixpath.join(self._mounts[mount], rest))
        return None

    def rewrite(self, words: str) -> str:
        """Return a text in which every path of the container that lies in the project is replaced."""

        def path(found: re.Match[str]) -> str:
            outside = self.outside(found[0])
            if outside is None:
                return found[0]
            if outside.startswith(("/", "~", "$")):
                return outside
            here = posixpath.relpath(f"/{outside}", f"/{self.base}")
            return here if here.startswith(".") else f"./{here}"

        return re.sub(r"(?<![\w./:$}-])/[\w.@+-][\w./@+-]*", path, words) if self._mounts else words


def _clean(path: str) -> str:
    return posixpath.normpath(path) if path.startswith("/") else posixpath.normpath("/" + path)
