"""The image of a Compose service: pulled, or built by a Dockerfile that is read; pure, apart from that file."""

from __future__ import annotations

import posixpath

from sbxcompose.convert import daemons
from sbxcompose.convert.compose_files import ComposeFiles, project_path
from sbxcompose.convert.dockerfile import Image, parse_dockerfile
from sbxcompose.convert.values import get, split, text
from sbxcompose.spec.nodes import Mapping, Node, Scalar


class ServiceImage:
    """`name` is the image whose own command runs; None if a Dockerfile, or nothing that can be read, says what runs."""

    def __init__(self, node: Mapping, files: ComposeFiles) -> None:
        build = node.get("build")
        self.is_built = build is not None
        self.context = "."
        self._file = ""
        self._first = next(iter(split(node.get("command")) or []), "")
        self.dockerfile: Image | None = None
        self.name: str | None = None if self.is_built else files.filled(text(node.get("image")) or "") or None
        if build is not None:
            self._read_build(build, files)

    def _read_build(self, build: Node, files: ComposeFiles) -> None:
        self.context = files.filled(project_path(build if isinstance(build, Scalar) else get(build, "context")))
        file = files.filled(text(get(build, "dockerfile")) or "Dockerfile")
        content = text(get(build, "dockerfile_inline"))
        if content is None:
            self._file = posixpath.normpath(posixpath.join(self.context, file))
            content = files.read(self._file)
        if content is not None:
            self.dockerfile = parse_dockerfile(content, text(get(build, "target")))
            if self.dockerfile.run() is None or _is_usual(self.dockerfile):
                self.name = self.dockerfile.base

    @property
    def known_as(self) -> str:
        """What people call it."""
        if self.name is not None:
            return f"image {self.name}"
        return f"the image of {self._file}" if self._file else "the file that this one is laid over"

    @property
    def is_known(self) -> bool:
        """Whether a native program is known for it."""
        return daemons.is_known(self.server)

    @property
    def server(self) -> str | None:
        """The image, if its server runs; None where the service runs a client of it, or anything else."""
        return None if self.name is None or daemons.is_other_program(self.name, self._first) else self.name

    @property
    def environment(self) -> dict[str, str]:
        """Variables that the Dockerfile sets."""
        return dict(self.dockerfile.env) if self.dockerfile is not None else {}


def _is_usual(image: Image) -> bool:
    """Return whether a Dockerfile repeats what its base runs, as many do with nginx."""
    return image.entrypoint is None and isinstance(image.command, list) and image.command[:1] == ["nginx"]
