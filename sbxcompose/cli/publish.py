"""Publish a verdict where people look for it: timings, a JUnit file, annotations and the summary of GitHub Actions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sbxcompose.cli.ci_log import in_ci
from sbxcompose.cli.context import Shell
from sbxcompose.client.verdict import Verdict
from sbxcompose.clock import wall_time
from sbxcompose.engine.session import Session
from sbxcompose.errors import UsageError
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.outcomes import Success
from sbxcompose.spec.project import Project

if TYPE_CHECKING:
    from sbxcompose.client.timings import TimingRecorder
    from sbxcompose.plan.timings import Timing, Timings


class Publisher:
    """Reports on one command. Raises `UsageError` if the JUnit file cannot be written."""

    def __init__(self, shell: Shell, junit_file: str | None = None, *, timings: bool = False) -> None:
        """Prepare the reports; `timings` are taken if they are asked for, or for a report."""
        self._shell = shell
        self._is_timed = timings or junit_file is not None or in_ci(os.environ)
        self._seen: TimingRecorder | None = None
        self._failed_at: float | None = None
        self._path = Path(junit_file) if junit_file is not None else None
        if self._path is not None:
            _prepare(self._path)

    def watch(self, session: Session) -> None:
        """Take note of when processes are started and ready, if a report or `--timings` needs that."""
        if self._is_timed:
            from sbxcompose.client.timings import TimingRecorder  # late: most commands are not timed

            self._seen = TimingRecorder(session.clock.now)
            session.listen(self._seen.on_event)

    def decided(self, session: Session, verdict: Verdict) -> None:
        """Take note of when a bring-up has failed, if it has: what was not ready by then never was."""
        if not isinstance(verdict, Success):
            # By the clock of the moments: the seconds that are shown count from another beginning.
            self._failed_at = session.clock.now()

    def timings(self, session: Session) -> Timings | None:
        """Return how long what was started has taken; None if it was not watched."""
        if self._seen is None:
            return None
        from sbxcompose.plan.timings import timings

        return timings(session.project, self._seen.moments(), session.began, self._failed_at)

    def publish(self, session: Session, wanted: Iterable[Instance], verdict: Verdict, seconds: float) -> None:
        """Write the reports on a verdict after `seconds`."""
        if self._path is None and not in_ci(os.environ):
            return
        from sbxcompose.cli import ci_formats

        project = session.project
        names = ProcessNames(project)
        labels = [names.instance(instance) for instance in wanted]
        timings = self.timings(session)
        every = timings.all if timings is not None else ()
        until = seconds if self._failed_at is None else self._failed_at - session.began
        took = took_until(every, verdict, until)
        unready = () if isinstance(verdict, Success) else {timing.label for timing in every if timing.took is None}
        report = ci_formats.VerdictReport(project.name, verdict, labels, seconds, took, unready)
        if self._path is not None:
            began, machine = wall_time() - seconds, os.uname().nodename or "localhost"
            _write(self._shell, self._path, ci_formats.junit(report, began=began, machine=machine), "w")
        if ci_formats.on_github(os.environ):
            workspace = os.environ.get("GITHUB_WORKSPACE")
            for line in ci_formats.verdict_annotations(verdict, partial(_place_of, project), workspace):
                self._shell.echo(line)
            if page := os.environ.get("GITHUB_STEP_SUMMARY"):
                _write(self._shell, Path(page), ci_formats.summary(report), "a")


def _place_of(project: Project, instance: Instance) -> tuple[str, int] | None:
    from sbxcompose.spec.definition_place import definition_place  # late: it reads YAML

    return definition_place(project.files, instance.sandbox, instance.process)


def _prepare(path: Path) -> None:
    """Find out before the work begins whether there will be a report, and remove that of an earlier run.

    Nothing is left for a command that is interrupted: an empty file is not XML, and those who read it fail.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        if path.is_file() and not path.is_symlink():
            path.unlink()
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None


def _write(shell: Shell, path: Path, text: str, mode: str) -> None:
    """Write a report; what cannot be written does not change the verdict."""
    try:
        with path.open(mode, encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        shell.echo(f"cannot write {path}: {(error.strerror or str(error)).lower()}")


def took_until(every: Iterable[Timing], verdict: Verdict, seconds: float) -> dict[str, float]:
    """Return how long instances took, by label; pure. What is to blame for a failure and had not ended took until then.

    `seconds` is when it failed, after the beginning.
    """
    took = {timing.label: timing.lasted for timing in every if timing.lasted is not None}
    if not isinstance(verdict, Success):
        known = {timing.label: timing for timing in every}
        for cause in verdict.causes:
            # A one-shot counts as started after a second, and one that was running before has no start here.
            timing = known.get(cause.label)
            if timing is None or timing.ended is None:
                took[cause.label] = max(seconds - (timing.started if timing is not None else 0.0), 0.0)
    return took
