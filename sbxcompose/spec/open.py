"""The front door: the project from memory if nothing has changed, else read anew.

What stands here is imported by every command, so it imports little: no YAML, no models.
"""

from __future__ import annotations

from sbxcompose.spec.cache import recall, remember
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest
from sbxcompose.spec.sources import Sources

__all__ = ["LoadRequest", "open_project"]


def open_project(request: LoadRequest) -> Project:
    """The project that a request leads to. Raises what `load_project` raises."""
    known = recall(request)
    if known is not None:
        return known
    from sbxcompose.spec.load import load_project

    sources = Sources(request.environ, request.stdin)
    project = load_project(request, sources)
    remember(request, sources, project)
    return project
