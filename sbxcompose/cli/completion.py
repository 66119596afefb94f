"""Shell completion: what can stand at a place of the command line, from the project's file.

The scripts and the protocol between shell and command are click's. Nothing is asked of a host or a cloud: completion
must answer while a person types. The numbers of runs are read from the files of this machine's host. A file with
mistakes completes nothing, and says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from sbxcompose.cli.command_names import VARIABLE
from sbxcompose.errors import SbxError

if TYPE_CHECKING:
    from sbxcompose.spec.project import Project

NameSource = Callable[["Project"], Iterable[str]]
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def answer(command: click.Command, instruction: str) -> int:
    """Answer a request of the shell's script; the exit code."""
    from click.shell_completion import shell_complete

    try:
        return shell_complete(command, {}, "sbxcompose", VARIABLE, instruction)
    except SbxError:
        return 0


def from_project(names: NameSource, suffix: str = "") -> Complete:
    """Complete with names of the project that the command line so far leads to."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        project = _project(context)
        if project is None:
            return []
        taken = context.params.get(parameter.name or "") or ()
        given = taken if isinstance(taken, tuple) else ()
        return [
            CompletionItem(f"{name}{suffix}")
            for name in dict.fromkeys(names(project))
            if name.startswith(incomplete) and name not in given
        ]

    return complete


def _project(context: click.Context) -> Project | None:
    from sbxcompose.cli.context import GlobalOptions, Shell

    given = context.find_root().params
    options = {name: given[name] for name in GlobalOptions.__struct_fields__ if given.get(name) is not None}
    try:
        return Shell(GlobalOptions(**options), completing=True).project()
    except SbxError:
        return None


def process_names(project: Project) -> Iterable[str]:
    """Return the names of all processes, also of inactive profiles."""
    return (process.name for process in project.every_process())


def sandbox_names(project: Project) -> Iterable[str]:
    """Return the names of all sandboxes."""
    return (sandbox.name for sandbox in project.sandboxes)


def process_and_sandbox_names(project: Project) -> Iterable[str]:
    """Return the names of all processes, then those of all sandboxes."""
    return [*process_names(project), *sandbox_names(project)]


def profile_names(project: Project) -> Iterable[str]:
    """Return the names of all profiles."""
    return sorted({profile for process in project.every_process() for profile in process.profiles})


def place_or_file(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete NAME: of a process or sandbox, or a local file."""
    if incomplete and ":" not in incomplete:
        names = from_project(process_and_sandbox_names, ":")(context, parameter, incomplete)
        if names:
            return names
    return [CompletionItem(incomplete, type="file")]


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a local file."""
    return [CompletionItem(incomplete, type="file")]


def directories(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a local directory."""
    return [CompletionItem(incomplete, type="dir")]


def signals(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a signal, without SIG."""
    from sbxcompose.signals import BY_NAME, name_of

    names = (name.removeprefix("SIG") for name, number in BY_NAME.items() if name == name_of(number))
    return [CompletionItem(name) for name in names if name.startswith(incomplete.upper())]


def filters(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete KEY=VALUE of a process filter."""
    from sbxcompose.client.process_filter import choices

    key, equals, _ = incomplete.partition("=")
    found = [f"{key}={word}" for word in choices(key)] if equals else [f"{name}=" for name in choices()]
    return [CompletionItem(text) for text in found if text.startswith(incomplete)]


def runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the number of a run whose output is kept, of the processes named so far: the latest first."""
    from sbxcompose.engine.local_host.supported import is_linux

    project = _project(context)
    if project is None or not is_linux():
        return []
    from sbxcompose.engine.local_host.recorded_runs import recorded_runs
    from sbxcompose.plan.names import ProcessNames
    from sbxcompose.plan.selection import select

    found, names = recorded_runs(project, os.environ), ProcessNames(project)
    # Where an option lacks its value, click has parsed no arguments: what may be names is left in `args`.
    given = context.params.get("names") or context.args
    selected = select(found, given, names, names.instance) if given else list(found)
    numbers = sorted({run for instance in selected for run in found[instance]}, reverse=True)
    matching = [str(number) for number in numbers if str(number).startswith(incomplete)]
    return [CompletionItem(number) for number in matching[:_MOST_RUNS]]


def providers(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a provider."""
    return [CompletionItem(name) for name in ("local", "tensorlake") if name.startswith(incomplete)]


_MOST_RUNS = 50
"""How many runs are offered at once: more fill the screen, and a digit of the number leads to the others."""
PROCESSES = from_project(process_names)
SANDBOXES = from_project(sandbox_names)
PLACES = from_project(process_and_sandbox_names)
PROFILES = from_project(profile_names)
SCALES = from_project(process_names, "=")
