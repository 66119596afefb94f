"""`sbxcompose logs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from msgspec import Struct

from sbxcompose.cli import completion
from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import grouped, names_argument, no_color_option
from sbxcompose.clock import wall_time
from sbxcompose.errors import UsageError

if TYPE_CHECKING:
    from sbxcompose.engine.read_logs import LogStart
    from sbxcompose.logs.filter import LineFilter


class Range(Struct, frozen=True):
    """Which part of the output is shown. `with_older`: also what was written before the last `up`."""

    begin: LogStart
    until: float | None
    with_older: bool


def line_range(tail: str, since: str | None, until: str | None, run: int | None) -> Range:
    """Return what `--tail` and the like select. Raises `UsageError`."""
    from sbxcompose.cli.moments import span
    from sbxcompose.engine.read_logs import LogStart

    given = {"--tail": tail != "all", "--since": since, "--run": run, "--until": until}
    for first, second in (("--tail", "--run"), ("--tail", "--until"), ("--since", "--run")):
        if given[first] and given[second]:
            raise UsageError(f"`{first}` and `{second}` cannot be used together")
    begin_at, end_at = span(since, until, wall_time())
    begin = LogStart(tail=tail_lines(tail), since_ms=None if begin_at is None else int(begin_at * 1000), run=run)
    return Range(begin, end_at, any(value is not None for value in (since, until, run)))


def line_filter(grep: str | None, ignore_case: bool, invert_match: bool) -> LineFilter | None:
    """Return what `--grep` and its options select; None for all lines. Raises `UsageError`."""
    if grep is None:
        if ignore_case or invert_match:
            raise UsageError(f"`{'--ignore-case' if ignore_case else '--invert-match'}` needs `--grep`")
        return None
    import re

    from sbxcompose.logs.filter import LineFilter

    try:
        return LineFilter(grep, ignore_case=ignore_case, invert=invert_match)
    except re.error as error:
        raise UsageError(
            f"invalid regular expression `{grep}`: {error}", hint="a backslash before a special character escapes it"
        ) from None


def tail_lines(text: str) -> int | None:
    """`100` -> 100, `all` -> None. Raises `UsageError`."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f"invalid value `{text}` for `--tail`; expected a number of lines or `all`")
    return int(text)


range_options = grouped(
    "wanted",
    line_range,
    ("tail", "since", "until", "run"),
    (
        click.option(
            "-n",
            "--tail",
            metavar="LINES",
            default="all",
            help="Show only the last LINES lines of each process, or `all`.",
        ),
        click.option("--since", metavar="WHEN", help="Show output since a time: `10m` (ago) or `2026-11-24T09:30:00`."),
        click.option("--until", metavar="WHEN", help="Show output until a time."),
        click.option(
            "--run",
            type=click.IntRange(1),
            metavar="N",
            shell_complete=completion.RUNS,
            help="Show only the output of run N.",
        ),
    ),
)
filter_options = grouped(
    "lines",
    line_filter,
    ("grep", "ignore_case", "invert_match"),
    (
        click.option("-g", "--grep", metavar="REGEX", help="Show only lines that match a regular expression."),
        click.option("-i", "--ignore-case", is_flag=True, help="Match --grep without regard to case."),
        click.option("-v", "--invert-match", is_flag=True, help="Show only lines that do not match --grep."),
    ),
)


@click.command("logs")
@names_argument
@click.option(
    "-x",
    "--exclude",
    multiple=True,
    metavar="PROCESS",
    shell_complete=completion.PROCESSES,
    help="Leave out a process, or all that match a pattern (repeatable).",
)
@click.option("-f", "--follow", is_flag=True, help="Follow log output.")
@click.option("-a", "--all", "everything", is_flag=True, help="Show older output, too, not only since the last `up`.")
@range_options
@filter_options
@click.option("-t", "--timestamps", is_flag=True, help="Show timestamps (UTC).")
@click.option(
    "--no-log-prefix", "--no-prefix", "no_prefix", is_flag=True, help="Don't prefix lines with the process name."
)
@click.option("--run-numbers", is_flag=True, help="Show run numbers: `web#3`.")
@click.option("--raw", is_flag=True, help="Don't filter terminal control sequences.")
@no_color_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines to stdout.")
@click.pass_obj
def command(
    shell: Shell,
    names: tuple[str, ...],
    exclude: tuple[str, ...],
    follow: bool,
    everything: bool,
    wanted: Range,
    lines: LineFilter | None,
    timestamps: bool,
    no_prefix: bool,
    run_numbers: bool,
    raw: bool,
    as_json: bool,
) -> int:
    """Show log output since the last `up`, merged by time; with -f, follow it.

    Output is kept across restarts, changes of the file and `down`, and runs are
    numbered: --all, --since, --until and --run show older output, too. --tail counts lines before --grep;
    with --since it counts those since then.
    """
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.show_logs import Choice, show_logs
    from sbxcompose.cli.view.stream import LogStyle

    style = LogStyle(timestamps, not no_prefix, raw, as_json, runs=run_numbers, live=follow)
    everything = everything or wanted.with_older
    choice = Choice(
        names, exclude, wanted.begin, until=wanted.until, following=follow, everything=everything, lines=lines
    )
    project = shell.project()
    return run_simply(lambda: show_logs(shell, project, choice, style))
