"""The project's file as a command names it: what a command that stays reads again whenever it changes."""

from __future__ import annotations

from msgspec import Struct

from sbxcompose.plan.options import PlanOptions
from sbxcompose.plan.up_terms import UpTerms
from sbxcompose.spec.open import open_project
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest, named_files


class ProjectFile(Struct, frozen=True):
    """Where the project is read from, and what is asked of the planner with it."""

    request: LoadRequest
    terms: UpTerms

    @property
    def readable_again(self) -> bool:
        """Whether the file can be read a second time: a pipe cannot."""
        files = named_files(self.request)
        return not any(path == "-" or path.startswith(("/dev/", "/proc/")) for path in files)

    def read(self, looked_at: set[str]) -> Project:
        """Read the project; the files that it comes from are added to `looked_at`. Raises `SpecError`."""
        return open_project(self.request, looked_at)

    def options(self, project: Project) -> PlanOptions:
        """Return what is asked of the planner. Raises `UsageError` for names that the project does not have."""
        return self.terms.options(project)
