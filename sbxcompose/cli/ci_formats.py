"""What CI systems understand: foldable sections, annotations and summaries, JUnit files; pure."""

from __future__ import annotations

import os.path
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from sbxcompose.errors import InvalidSpec, Mistake, SbxError
from sbxcompose.logs.sanitize import clean_line
from sbxcompose.plan.observed import Instance
from sbxcompose.plan.outcomes import Failed, Report, Success, TimedOut

Verdict = Success | Failed | TimedOut
UNREADY = "was not ready yet"
NOTHING: Mapping[str, float] = MappingProxyType({})

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, not even escaped."""


def on_github(environ: Mapping[str, str]) -> bool:
    """Return whether this is a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def on_gitlab(environ: Mapping[str, str]) -> bool:
    """Return whether this is a job of GitLab CI."""
    return environ.get("GITLAB_CI") == "true"


def section_begin(environ: Mapping[str, str], title: str, now: float, *, collapsed: bool = False) -> str | None:
    """Return the line that begins a section which the system's page can fold; None where there is none.

    GitHub folds every section.
    """
    if on_github(environ):
        return f"::group::{title}"
    if on_gitlab(environ):
        folded = "[collapsed=true]" if collapsed else ""
        return f"\x1b[0Ksection_start:{int(now)}:{_section_name(title)}{folded}\r\x1b[0K{title}"
    return None


def section_end(environ: Mapping[str, str], title: str, now: float) -> str | None:
    """Return the line that ends a section; None where there is none."""
    if on_github(environ):
        return "::endgroup::"
    return f"\x1b[0Ksection_end:{int(now)}:{_section_name(title)}\r\x1b[0K" if on_gitlab(environ) else None


def _section_name(title: str) -> str:
    return re.sub("[^a-z0-9]+", "_", title.lower()).strip("_")


def annotation(message: str, *, title: str = "", file: str = "", line: int = 0, column: int = 0) -> str:
    """Return a workflow command that shows an error on a run's page and, with a file, beside its line."""
    given = {"title": title, "file": file, "line": str(line or ""), "col": str(column or "")}
    properties = ",".join(f"{name}={_property(value)}" for name, value in given.items() if value)
    return f"::error {properties}::{_data(message)}" if properties else f"::error::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def mistake_annotations(error: InvalidSpec, directory: str, workspace: str | None) -> list[str]:
    """Return an annotation for each mistake of a file; GitHub counts paths from the root of the checkout."""
    return [_mistake(mistake, directory, workspace) for mistake in error.mistakes]


def _mistake(mistake: Mistake, directory: str, workspace: str | None) -> str:
    message = f"{mistake.message}\n{mistake.hint}" if mistake.hint else mistake.message
    path = mistake.file and os.path.relpath(os.path.join(directory, mistake.file), workspace or directory)
    return annotation(message, file=path, line=mistake.line, column=mistake.column)


def error_annotation(error: SbxError) -> str:
    """Return an annotation for an error that has no place in a file."""
    return annotation("\n".join(filter(None, [error.message, error.hint])), title="sbxcompose")


def error_summary(error: SbxError) -> str:
    """Return such an error in Markdown for a job's summary page."""
    return (
        "\n\n".join(["### sbxcompose: error", _cell(error.message), *([_cell(error.hint)] if error.hint else [])])
        + "\n"
    )


def mistake_summary(error: InvalidSpec) -> str:
    """Return the mistakes of a file in Markdown for a job's summary page."""
    cells = [(_place(mistake), mistake.message, mistake.hint or "") for mistake in error.mistakes]
    rows = [f"| {' | '.join(map(_cell, row))} |" for row in cells]
    head = ["### sbxcompose: the file has mistakes", "", "| where | what | hint |", "|---|---|---|"]
    return "\n".join([*head, *rows, ""]) + "\n"


def _place(mistake: Mistake) -> str:
    return f"{mistake.file}:{mistake.line}" if mistake.line else mistake.file


PlaceOf = Callable[[Instance], tuple[str, int] | None]
"""From a process to the path and the line where it is defined."""


def verdict_annotations(
    verdict: Verdict, place_of: PlaceOf = lambda instance: None, workspace: str | None = None
) -> list[str]:
    """Return an annotation for each process that is the cause of a failure, with its last lines, at its definition."""
    found = []
    for report in () if isinstance(verdict, Success) else verdict.causes:
        message = "\n".join([f"{report.label} {report.doing}", *_lines(report)])
        path, line = place_of(report.instance) or ("", 0)
        file = path and os.path.relpath(path, workspace)
        found.append(annotation(message, title=f"{report.label} {verdict.kind}", file=file, line=line))
    return found


class VerdictReport(Struct, frozen=True):
    """What is reported of a verdict on the instances that are named by `labels`, `seconds` after the start.

    `took`: how long instances took until they were ready; `unready`: those that were started and did not get that far.
    """

    project: str
    verdict: Verdict
    labels: Sequence[str]
    seconds: float
    took: Mapping[str, float] = NOTHING
    unready: Collection[str] = ()


def summary(report: VerdictReport) -> str:
    """Return a table in Markdown for a job's summary page."""
    verdict = report.verdict
    results = _results(verdict, report.labels, report.unready)
    rows = [f"| {label} | {words} | {_took(report.took.get(label))} |" for label, words in results]
    head = [
        f"### sbxcompose: {report.project} {_outcome(verdict)} after {report.seconds:.1f} s",
        "",
        "| process | result | took |",
    ]
    details = [_details(report) for report in _causes(verdict) if report.lines]
    return "\n".join([*head, "|---|---|---|", *rows, "", *details]) + "\n"


def _took(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def _outcome(verdict: Verdict) -> str:
    return "succeeded" if isinstance(verdict, Success) else verdict.kind


def _details(report: Report) -> str:
    lines = "\n".join(_lines(report)).replace("```", "'''")
    return f"<details open><summary>last lines of {report.label}</summary>\n\n```text\n{lines}\n```\n\n</details>"


def _lines(report: Report) -> list[str]:
    """Return the last lines of a process without colours, which pages and reports would show as characters."""
    return [clean_line(line) for line in report.lines]


def _causes(verdict: Verdict) -> tuple[Report, ...]:
    return () if isinstance(verdict, Success) else verdict.causes


def _results(verdict: Verdict, labels: Iterable[str], unready: Collection[str]) -> list[tuple[str, str]]:
    said = dict.fromkeys(unready, f":white_circle: {UNREADY}")
    said |= {report.label: f":x: {_cell(report.doing)}" for report in _causes(verdict)}
    if not isinstance(verdict, Success):
        said |= {report.label: f":white_circle: {_cell(report.doing)}" for report in verdict.held_up}
    return [(label, said.get(label, ":white_check_mark:")) for label in labels]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def junit(report: VerdictReport, *, began: float = 0.0, machine: str = "localhost") -> str:
    """Return a JUnit report: a test case for each process; what was held up or not ready is skipped.

    `began` is the moment when `up` began. It has all that the schemas of Ant and Jenkins ask for, the empty elements
    among it.
    """
    project, verdict, names, took = report.project, report.verdict, report.labels, report.took
    causes = {cause.label: cause for cause in _causes(verdict)}
    skipped = dict.fromkeys(report.unready, UNREADY)
    if not isinstance(verdict, Success):
        skipped |= {held_up.label: held_up.doing for held_up in verdict.held_up}
    skipped = {name: words for name, words in skipped.items() if name in names and name not in causes}
    cases = [_case(project, name, verdict.kind, causes.get(name), skipped.get(name), took.get(name)) for name in names]
    counts = f'tests="{len(names)}" failures="{len(causes)}" skipped="{len(skipped)}" errors="0"'
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began))
    where = f'timestamp="{at}" hostname={_attribute(machine)} time="{report.seconds:.3f}"'
    begin = f"<testsuite name={_attribute(project)} {counts} {where}>\n  <properties/>"
    end = "  <system-out/>\n  <system-err/>\n</testsuite>\n"
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', begin, *cases, end])


def _case(project: str, name: str, kind: str, cause: Report | None, skipped: str | None, took: float | None) -> str:
    begin = f'  <testcase classname={_attribute(project)} name={_attribute(name)} time="{took or 0:.3f}"'
    if cause is not None:
        lines = _element("\n".join(_lines(cause)))
        given = f"type={_attribute(kind)} message={_attribute(f'{name} {cause.doing}')}"
        return f"{begin}>\n    <failure {given}>{lines}</failure>\n  </testcase>"
    if skipped is not None:
        return f"{begin}>\n    <skipped message={_attribute(f'{name} {skipped}')}/>\n  </testcase>"
    return f"{begin}/>"


def _attribute(text: str) -> str:
    from xml.sax.saxutils import quoteattr  # late: it imports 35 modules, among them an HTTP client

    return quoteattr(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text), {"\n": "&#10;"})


def _element(text: str) -> str:
    plain = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
