"""`sbxcompose doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sbxcompose.cli.context import Shell, unicode_output
from sbxcompose.cli.options import json_option

if TYPE_CHECKING:
    from sbxcompose.engine.checks import DoctorCheck
    from sbxcompose.spec.project import Project


@click.command("doctor")
@json_option
@click.pass_obj
def command(shell: Shell, as_json: bool) -> int:
    """Check the configuration and whether each provider can be reached, with a remedy for each problem.

    Asks the daemons of running sandboxes in the cloud what they support.
    Shows at most the last four characters of keys. Exits with code 3 if there is a problem.
    """
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.engine.check_cloud import check_cloud
    from sbxcompose.engine.checks import CheckStatus
    from sbxcompose.engine.providers import providers_of

    project, found = _project(shell)
    found += _of_compose(project)
    places = providers_of(project) if project is not None else frozenset()
    found += _local(wanted="local" in places)
    remote = [
        sandbox
        for sandbox in (project.sandboxes if project is not None else ())
        if project is not None and project.provider_of(sandbox) == "tensorlake"
    ]
    found += run_simply(lambda: check_cloud(wanted="tensorlake" in places, sandboxes=remote))
    good = not any(check.health is CheckStatus.BAD for check in found)
    if as_json:
        shell.print_json({"good": good, "checks": [check.to_json() for check in found]})
    else:
        for line in (_lines if shell.width is None else _drawn)(shell, found):
            shell.print(line)
    return 0 if good else 3


def _of_compose(project: Project | None) -> list[DoctorCheck]:
    """Return the variables of Docker Compose that are set, since they are easily taken for those read here."""
    import os

    from sbxcompose.cli.compose_variables import found_in, names_in
    from sbxcompose.engine.checks import CheckStatus, DoctorCheck

    dotenv = names_in(os.path.join(project.directory if project is not None else ".", ".env"))
    return [
        DoctorCheck("project", "variables", CheckStatus.NOTE, f"`{name}` of Docker Compose has no effect", remedy)
        for name, remedy in found_in(os.environ, dotenv).items()
    ]


def _local(*, wanted: bool) -> list[DoctorCheck]:
    """Return what there is to say of this machine; elsewhere than on Linux only that, a problem if the project needs
    it.
    """
    from sbxcompose.engine.checks import CheckStatus, DoctorCheck
    from sbxcompose.engine.local_host.supported import HINT, is_linux, system_name

    if not is_linux():
        health = CheckStatus.BAD if wanted else CheckStatus.NOTE
        return [DoctorCheck("local", "system", health, f"needs Linux; this is {system_name()}", HINT)]
    from sbxcompose.engine.check_local import check_local

    return check_local()


def _project(shell: Shell) -> tuple[Project | None, list[DoctorCheck]]:
    """Return the project here, if there is one, and what is to be said of it."""
    from sbxcompose.engine.checks import CheckStatus, DoctorCheck, failed
    from sbxcompose.errors import InvalidSpec, SbxError, SpecNotFound

    try:
        project = shell.project()
    except SpecNotFound as error:
        return None, [DoctorCheck("project", "file", CheckStatus.NOTE, error.message, error.hint)]
    except InvalidSpec as error:
        text = f"{error.message}: {error.mistakes[0].message}" if error.mistakes else error.message
        return None, [
            DoctorCheck("project", "file", CheckStatus.BAD, text, "`sbxcompose config` shows each mistake in its place")
        ]
    except SbxError as error:
        return None, [failed("project", "file", error)]
    missing = [
        DoctorCheck("project", "values", CheckStatus.NOTE, value.message, "`sbxcompose config` shows its place")
        for value in project.unresolved
    ]
    return project, [
        DoctorCheck("project", "file", CheckStatus.GOOD, ", ".join(project.files)),
        DoctorCheck("project", "name", CheckStatus.GOOD, f"{project.name}, at the provider {project.provider}"),
        *missing,
    ]


def _lines(shell: Shell, found: list[DoctorCheck]) -> list[str]:
    """Format a heading for each section, a line for each finding, and the remedy below it."""
    from sbxcompose.engine.checks import CheckStatus

    marks = {
        CheckStatus.GOOD: shell.out.green("ok  "),
        CheckStatus.NOTE: shell.out.yellow("note"),
        CheckStatus.BAD: shell.out.red("bad "),
    }
    width = max(len(check.name) for check in found)
    lines: list[str] = []
    section = None
    for check in found:
        if check.section != section:
            section = check.section
            lines.append(shell.out.bold(section))
        lines.append(f"  {marks[check.health]} {check.name:{width}}  {check.text}")
        if check.fix is not None:
            lines.append(f"{' ' * (width + 9)}{shell.out.cyan('hint:')} {check.fix}")
    return lines


def _drawn(shell: Shell, found: list[DoctorCheck]) -> list[str]:
    """Return the findings as they are drawn on a terminal: a list with marks for each section."""
    from itertools import groupby

    from sbxcompose.cli.style import Colored
    from sbxcompose.cli.view.drawn_facts import fact_lines
    from sbxcompose.cli.view.facts import Fact, FactList
    from sbxcompose.engine.checks import CheckStatus

    good, bad = "✓✗" if unicode_output() else ("+", "x")
    marks = {
        CheckStatus.GOOD: Colored(good, "green"),
        CheckStatus.NOTE: Colored("!", "yellow"),
        CheckStatus.BAD: Colored(bad, "red"),
    }
    lists = [
        FactList([Fact(check.name, check.text, check.fix, marks[check.health]) for check in checks], section)
        for section, checks in groupby(found, lambda check: check.section)
    ]
    return fact_lines(lists, shell.width or 80, colors=shell.out.enabled)
