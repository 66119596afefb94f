"""What completion has to know of a project."""

from __future__ import annotations

from sbxcompose.plan.names import shown_name
from sbxcompose.spec.project import Project


def facts_of(project: Project) -> dict[str, list[str]]:
    """Return the names in a project, also of what inactive profiles leave out."""
    every = list(project.every_process())
    local = [sandbox for sandbox in project.sandboxes if project.provider_of(sandbox) == "local"]
    return {
        "process": [shown_name(process.name) for process in every],
        "replicas": [f"{shown_name(process.name)} {process.replicas}" for process in every if process.replicas > 1],
        "sandbox": [sandbox.name for sandbox in project.sandboxes],
        "profile": sorted({profile for process in every for profile in process.profiles}),
        "folder": [project.directory],
        "local": [f"{sandbox.name} {sandbox.full_name}" for sandbox in local],
    }
