"""The list of projects for people and for programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.table import ago, table_lines
from sbxcompose.cli.view.text_table import TextTable
from sbxcompose.engine.projects import KnownProject, KnownSandbox
from sbxcompose.logs.sanitize import clean_text
from sbxcompose.plurals import counted


def name_of(project: KnownProject) -> str:
    """Return the project's name, or that of its only sandbox if the project is unknown."""
    return project.name or project.sandboxes[0].full_name


def lines(projects: Sequence[KnownProject], now: float, style: Style, width: int | None = None) -> list[str]:
    """Return the table, on a terminal of that width; None for a pipe."""
    header = ["NAME", "RUNNING", "CREATED", "SANDBOXES", "FOLDER"]
    rows = [
        [
            name_of(project),
            _running(project),
            "-" if project.since is None else f"{ago(now - project.since)} ago",
            ", ".join(map(_sandbox, project.sandboxes)),
            _folder(project.directory),
        ]
        for project in projects
    ]
    return table_lines(TextTable(header, rows, ("CREATED", "SANDBOXES", "RUNNING")), style, width)


def _running(project: KnownProject) -> str:
    """How many processes run; where the provider does not tell, how many sandboxes do: these cost."""
    if project.running is not None:
        return str(project.running)
    count = sum(1 for sandbox in project.sandboxes if sandbox.status != "suspended")
    return counted(count, "sandbox") if count else "-"


def _sandbox(sandbox: KnownSandbox) -> str:
    return sandbox.name if sandbox.status == "running" else f"{sandbox.name} ({sandbox.status})"


def _folder(directory: str | None) -> str:
    if directory is None:
        return "-"
    shown = clean_text(directory)
    return shown if os.path.isdir(directory) else f"{shown} (gone)"


def to_json(project: KnownProject) -> dict[str, Any]:
    """One project for a program."""
    return {
        "name": project.name,
        "directory": project.directory,
        "sandboxes": [
            {
                "name": sandbox.name,
                "full_name": sandbox.full_name,
                "status": sandbox.status,
                "running": sandbox.running,
                "since": sandbox.since,
            }
            for sandbox in project.sandboxes
        ],
        "running": project.running,
        "since": project.since,
    }
