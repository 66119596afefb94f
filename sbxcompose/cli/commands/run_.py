"""`sbxcompose run`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import click

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import (
    DurationType,
    Foreground,
    detach_option,
    foreground_options,
    no_deps_option,
    refuse_late_options,
    without_separator,
)
from sbxcompose.errors import NotStarted, UnknownName

if TYPE_CHECKING:
    from sbxcompose.api.models import Env, StartRequest
    from sbxcompose.cli.view.report import Reporter
    from sbxcompose.engine.result import Result
    from sbxcompose.engine.session import Session
    from sbxcompose.plan.observed import Instance
    from sbxcompose.spec.project import Process, Project

NOT_FOUND = 127
"""The exit code of a command that does not exist, as shells have it."""


@click.command("run", context_settings={"allow_interspersed_args": False})
@detach_option
@foreground_options
@no_deps_option
@click.option("--rm", "remove", is_flag=True, help="Leave nothing behind when the command ends (always on).")
@click.option(
    "--wait-timeout",
    type=DurationType(),
    metavar="DURATION",
    help="Stop waiting for dependencies after this time, such as `90s` (exit code 124).",
)
@click.argument("name", metavar="PROCESS", shell_complete=completion.PROCESSES)
@click.argument("arguments", nargs=-1, metavar="[COMMAND [ARG]...]", shell_complete=completion.FILES)
@click.pass_obj
def command(
    shell: Shell,
    name: str,
    arguments: tuple[str, ...],
    how: Foreground,
    no_deps: bool,
    remove: bool,
    wait_timeout: float | None,
) -> int:
    """Run a process once in the foreground, beside the one that `up` manages, or another COMMAND in its place.

    Dependencies are started first; the process's profile need not be active. Exits with the exit code of the command.
    Beside a Procfile the PROCESS may be left out: the command gets the variables of all processes.
    """
    from sbxcompose.cli.foreground import Preparation, run_in_foreground
    from sbxcompose.cli.view.report import Reporter
    from sbxcompose.engine.one_off import bring_up_needs

    project = shell.project()
    instance, process, words = _chosen(project, name, without_separator(arguments))
    reporter = Reporter(shell, project)

    async def prepare(session: Session) -> None:
        needs = partial(bring_up_needs, session, process, no_deps=no_deps, timeout=wait_timeout)
        await _bring_up_needs(session, reporter, name, needs)

    def requested(session: Session) -> tuple[StartRequest, Env]:
        return session.command_request(process, instance, words)

    before = Preparation(prepare, reporter.on_event, reporter.secrets)
    try:
        return run_in_foreground(shell, project, instance.sandbox, requested, how, before)
    except NotStarted as error:
        if process is project.one_off and error.exit_code == NOT_FOUND:
            error.hint = _hint(project, name)
        raise


def _hint(project: Project, name: str) -> str:
    """Return the way out where a word is neither a command nor a process."""
    from sbxcompose.similar import similar

    near = similar(name, (process.name for process in project.every_process()), 1)
    return f"did you mean the process `{near[0]}`?" if near else f"the Procfile has no process named `{name}`, either"


async def _bring_up_needs(
    session: Session, reporter: Reporter, name: str, bring_up: Callable[[], Awaitable[Result]]
) -> None:
    """Start what the process needs, and show what failed. Raises `DeadlinePassed` and `ProcessFailed`."""
    from sbxcompose.engine.one_off import NeedFailed
    from sbxcompose.errors import DeadlinePassed, ProcessFailed

    try:
        async with reporter.waiting(session):
            result = await bring_up()
    except DeadlinePassed as error:
        raise DeadlinePassed(f"{name} was not run: {error.message}", hint="`sbxcompose why` shows more") from error
    except NeedFailed as error:
        await reporter.show_last_lines(session, error.instance)
        raise ProcessFailed(f"{name} was not run: {error.message}") from error
    if not result.good:
        await reporter.show_failures(session, result)
        raise ProcessFailed(f"{name} was not run: its dependencies did not become ready")


def _chosen(project: Project, name: str, arguments: tuple[str, ...]) -> tuple[Instance, Process, tuple[str, ...]]:
    """Return what is to be run, the process whose surroundings it gets, and the words of the command."""
    from sbxcompose.plan.names import ProcessNames
    from sbxcompose.plan.observed import Instance

    try:
        target = ProcessNames(project).resolve(name)
    except UnknownName as error:
        if project.one_off is None:
            from sbxcompose.cli.name_first import explain_order

            explain_order(error, "run", (name, *arguments), project)
            raise
        return Instance(project.one_off.sandbox, project.one_off.name, 1), project.one_off, (name, *arguments)
    process = project.process(target.sandbox, target.process)
    assert process is not None, "the name was resolved"
    refuse_late_options(arguments)
    return Instance(target.sandbox, target.process, target.replica or 1), process, arguments or process.command
