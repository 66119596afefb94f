"""`up`: bring everything up, then return (`-d`), wait for the verdict (`--wait`), or stay and show output.

What it imports at first is what finds mistakes, and whether a host is needed: the rest is imported while that starts.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sbxcompose.cli.context import Shell
from sbxcompose.cli.up_request import UpRequest, note_what_is_limited
from sbxcompose.plan.instances import instances_in_scope
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.options import PlanOptions
from sbxcompose.spec.project import Process, Project

if TYPE_CHECKING:
    from sbxcompose.cli.async_main import Interrupts


def bring_up(shell: Shell, request: UpRequest) -> int:
    """Carry out `up`; its exit code."""
    request.check()
    project = shell.project(request.scale)
    options = request.options(project)
    if project.unresolved:
        from sbxcompose.plan.profiles import check_resolved

        check_resolved(project, options)  # before a host is started
    wanted = instances_in_scope(project, options)
    _start_host(project)
    if request.wait or request.ends_itself:
        note_what_is_limited(shell, request.grace, request.wait_timeout)
    way = _chosen_way(shell, project, request, options, wanted)
    from sbxcompose.cli.async_main import run_command

    return run_command(way)


def _start_host(project: Project) -> None:
    """Start the host that the project needs, unless there is one."""
    from sbxcompose.engine.local_host.supported import is_linux

    if is_linux() and any(project.provider_of(sandbox) == "local" for sandbox in project.sandboxes):
        from sbxcompose.engine.local_host.keeper_start import start_ahead

        start_ahead()


def _chosen_way(
    shell: Shell, project: Project, request: UpRequest, options: PlanOptions, wanted: Mapping[Instance, Process]
) -> Callable[[Interrupts], Coroutine[Any, Any, int]]:
    """Return what is to be run; imports nearly everything."""
    if request.ui:
        from sbxcompose.cli.top.attached import up_on_screen

        return partial(up_on_screen, shell, project, request)
    if not (request.detach or request.wait):
        from sbxcompose.cli.attached import attached

        return partial(attached, shell, project, request, wanted)
    from sbxcompose.cli.background_up import BackgroundUp

    return partial(BackgroundUp(shell, project, request, wanted).run, options)
