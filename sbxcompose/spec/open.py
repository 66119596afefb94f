"""The front door: the project from memory if nothing has changed, else read anew.

What stands here is imported by every command, so it imports little: no YAML, no models.
"""

from __future__ import annotations

from sbxcompose.spec.cache import recall, remember
from sbxcompose.spec.project import Project
from sbxcompose.spec.request import LoadRequest
from sbxcompose.spec.sources import Sources

__all__ = ["LoadRequest", "open_project"]


def open_project(request: LoadRequest, looked_at: set[str] | None = None) -> Project:
    """Return the project that a request leads to. Raises what `load_project` raises.

    `looked_at`, if given, afterwards has the paths of all files that it depends on, those that are not there included;
    also if this has raised.
    """
    known = recall(request, looked_at)
    if known is not None:
        return known
    from sbxcompose.spec.load import load_project

    sources = Sources(request.environ, request.stdin, request.pipes)
    try:
        project = load_project(request, sources)
    finally:
        if looked_at is not None:
            looked_at.update(sources.files)
    remember(request, sources, project)
    return project
