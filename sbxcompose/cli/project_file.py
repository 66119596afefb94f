"""The project's file as the command line names it, read again whenever it changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sbxcompose.cli.context import Shell, style_of
from sbxcompose.cli.up_request import UpRequest
from sbxcompose.errors import InvalidSpec, SbxError
from sbxcompose.plan.options import PlanOptions
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.plan.judge import Judge

CANNOT_APPLY = "the project's file has changed but cannot be applied; running processes are left unchanged"


class CommandLineProject:
    """Implements `engine.attached_up.UpSource`."""

    def __init__(self, shell: Shell, request: UpRequest) -> None:
        self._shell = shell
        self._request = request

    @property
    def readable_again(self) -> bool:
        """Whether the file can be read a second time: a pipe cannot."""
        return not any(path == "-" or path.startswith(("/dev/", "/proc/")) for path in self._shell.files)

    def read(self, looked_at: set[str]) -> Project:
        """Read the project; the files that it comes from are added to `looked_at`. Raises `SpecError`."""
        return self._shell.project(self._request.scale, looked_at)

    def options(self, project: Project) -> PlanOptions:
        """Return what is asked of the planner. Raises `UsageError` for names that the project does not have."""
        return self._request.options(project)

    def judge(self, project: Project) -> Judge:
        """Return who says when an attached `up` ends."""
        return self._request.judge(project, attached=True)


def mistake_words(error: SbxError) -> str:
    """Say what is wrong with the file, with its places where they are known."""
    if isinstance(error, InvalidSpec):
        from sbxcompose.spec.report import render

        return render(error, style_of(sys.stderr))
    return "\n".join(filter(None, [error.message, error.hint]))
