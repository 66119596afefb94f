"""Publish a verdict where CI systems look for it: a JUnit file, annotations and the summary of GitHub Actions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from sbxcompose.cli.context import Shell
from sbxcompose.client.verdict import Verdict
from sbxcompose.errors import UsageError
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import Project

Publish = Callable[[Project, Iterable[Instance], Verdict, float], None]


def publisher(shell: Shell, junit_file: str | None) -> Publish:
    """Return what publishes a verdict. Raises `UsageError` if the JUnit file cannot be written."""
    path = Path(junit_file) if junit_file is not None else None
    if path is not None:
        _prepare(path)

    def publish(project: Project, wanted: Iterable[Instance], verdict: Verdict, seconds: float) -> None:
        from sbxcompose.cli import ci_formats

        names = ProcessNames(project)
        labels = [names.instance(instance) for instance in wanted]
        if path is not None:
            _write(shell, path, ci_formats.junit(project.name, verdict, labels, seconds), "w")
        if ci_formats.on_github(os.environ):
            for line in ci_formats.verdict_annotations(verdict):
                shell.say(line)
            if (page := os.environ.get("GITHUB_STEP_SUMMARY")) is not None:
                _write(shell, Path(page), ci_formats.summary(project.name, verdict, labels, seconds), "a")

    return publish


def _prepare(path: Path) -> None:
    """Find out before the work begins whether there will be a report, and remove that of an earlier run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def _write(shell: Shell, path: Path, text: str, mode: str) -> None:
    """Write a report; what cannot be written does not change the verdict."""
    try:
        with path.open(mode, encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        shell.say(f"cannot write {path}: {(error.strerror or str(error)).lower()}")
