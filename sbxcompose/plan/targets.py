"""What people call a place to work in: a process, or a sandbox."""

from __future__ import annotations

from sbxcompose.errors import UnknownName, UnknownReplica, UsageError
from sbxcompose.plan.names import ProcessNames, Target
from sbxcompose.spec.project import Project, Sandbox


def resolve_place(project: Project, text: str | None) -> Target | Sandbox:
    """Return the process or, if there is none of that name, the sandbox that `text` names; without a name the only
    sandbox.

    Raises `UnknownName`, or `UsageError` when it could be several.
    """
    sandboxes = {sandbox.name: sandbox for sandbox in project.sandboxes}
    if text is None:
        return _only(project)
    names = ProcessNames(project)
    try:
        return names.resolve(text)
    except UnknownReplica:
        raise
    except UnknownName as error:
        if text in sandboxes:
            return sandboxes[text]
        if error.explained:
            raise
        raise UnknownName("process or sandbox", text, [*names.known, *sandboxes], near=error.near or None) from error


def _only(project: Project) -> Sandbox:
    if len(project.sandboxes) == 1:
        return project.sandboxes[0]
    names = ", ".join(f"`{sandbox.name}`" for sandbox in project.sandboxes)
    raise UsageError("the file has several sandboxes", hint=f"say which one: {names}, or a process in it")
