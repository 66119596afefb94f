"""The project's file as the command line names it, read again whenever it changes."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from sbxcompose.cli.context import Shell, style_of
from sbxcompose.errors import InvalidSpec, SbxError
from sbxcompose.spec.project import Project


class CommandLineProject:
    """Implements `engine.reload.ProjectFile`. `scale` is what `--scale` says."""

    def __init__(self, shell: Shell, scale: Mapping[str, int] | None = None) -> None:
        self._shell = shell
        self._scale = scale

    @property
    def readable_again(self) -> bool:
        """Whether the file can be read a second time: a pipe cannot."""
        return not any(path == "-" or path.startswith(("/dev/", "/proc/")) for path in self._shell.files)

    def read(self, looked_at: set[str]) -> Project:
        """Read the project; the files that it comes from are added to `looked_at`. Raises `SpecError`."""
        return self._shell.project(self._scale, looked_at)

    def report(self, error: SbxError) -> None:
        """Print what is wrong with the file, with its places where they are known."""
        if isinstance(error, InvalidSpec):
            from sbxcompose.spec.report import render

            text = render(error, style_of(sys.stderr))
        else:
            text = "\n".join(filter(None, [error.message, error.hint]))
        self._shell.say(text)
