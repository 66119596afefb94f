"""Declarative orchestration of sandboxes: what Docker Compose is to containers.

Importing this package is nearly free: what stands in `__all__` is imported when it is first used.
"""

from sbxcompose.version import __version__

__all__ = [
    "AppliedChanges",
    "CopiedFiles",
    "FinishedCommand",
    "ForwardedPort",
    "OpenProject",
    "OutputLine",
    "PlannedStep",
    "ProcessDefinition",
    "ProcessExit",
    "ProcessExplanation",
    "ProcessState",
    "ProcessStats",
    "ProcessStatus",
    "ProjectDefinition",
    "ProjectEvent",
    "ProjectPlan",
    "ProjectStats",
    "SandboxStats",
    "__version__",
    "errors",
    "load",
    "open_project",
    "sync",
]

TYPE_CHECKING = False  # as in `typing`, which takes longer to import than everything else here
if TYPE_CHECKING:
    from sbxcompose import errors, sync
    from sbxcompose.client.changes import AppliedChanges, PlannedStep, ProjectPlan
    from sbxcompose.client.commands import FinishedCommand
    from sbxcompose.client.copy_files import CopiedFiles
    from sbxcompose.client.definition import ProcessDefinition, ProjectDefinition, load
    from sbxcompose.client.exits import ProcessExit
    from sbxcompose.client.explain import ProcessExplanation
    from sbxcompose.client.open_project import open_project
    from sbxcompose.client.output import OutputLine
    from sbxcompose.client.port_route import ForwardedPort
    from sbxcompose.client.process_events import ProjectEvent
    from sbxcompose.client.process_state import ProcessState
    from sbxcompose.client.process_status import ProcessStatus
    from sbxcompose.client.project import OpenProject
    from sbxcompose.client.stats import ProcessStats, ProjectStats, SandboxStats

_PLACES = {
    "AppliedChanges": "client.changes",
    "CopiedFiles": "client.copy_files",
    "FinishedCommand": "client.commands",
    "ForwardedPort": "client.port_route",
    "OpenProject": "client.project",
    "OutputLine": "client.output",
    "PlannedStep": "client.changes",
    "ProcessDefinition": "client.definition",
    "ProcessExit": "client.exits",
    "ProcessExplanation": "client.explain",
    "ProcessState": "client.process_state",
    "ProcessStats": "client.stats",
    "ProcessStatus": "client.process_status",
    "ProjectDefinition": "client.definition",
    "ProjectEvent": "client.process_events",
    "ProjectPlan": "client.changes",
    "ProjectStats": "client.stats",
    "SandboxStats": "client.stats",
    "load": "client.definition",
    "open_project": "client.open_project",
}
_MODULES = ("errors", "sync")


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    place = name if name in _MODULES else _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{place}")
    value: object = module if name in _MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
