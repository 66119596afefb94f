"""`sbxcompose logs`."""

from __future__ import annotations

import re
import time

import click

from sbxcompose.cli.context import Shell
from sbxcompose.cli.options import names_argument
from sbxcompose.errors import UsageError


@click.command("logs")
@names_argument
@click.option("-f", "--follow", is_flag=True, help="Follow log output.")
@click.option("-a", "--all", "everything", is_flag=True, help="Show older output, too, not only since the last `up`.")
@click.option(
    "-n", "--tail", metavar="LINES", default="all", help="Show only the last LINES lines of each process, or `all`."
)
@click.option("--since", metavar="WHEN", help="Show output since a time: `10m` (ago) or `2026-11-24T09:30:00`.")
@click.option("--run", type=click.IntRange(1), metavar="N", help="Show only the output of run N.")
@click.option("-t", "--timestamps", is_flag=True, help="Show timestamps (UTC).")
@click.option(
    "--no-log-prefix", "--no-prefix", "no_prefix", is_flag=True, help="Don't prefix lines with the process name."
)
@click.option("--run-numbers", is_flag=True, help="Show run numbers: `web#3`.")
@click.option("--raw", is_flag=True, help="Don't filter terminal control sequences.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON lines.")
@click.pass_obj
def command(
    shell: Shell,
    names: tuple[str, ...],
    follow: bool,
    everything: bool,
    tail: str,
    since: str | None,
    run: int | None,
    timestamps: bool,
    no_prefix: bool,
    run_numbers: bool,
    raw: bool,
    as_json: bool,
) -> int:
    """Show log output since the last `up`, merged by time; with -f, follow it.

    Output is kept across restarts, changes of the file and `down`, and runs are numbered: --all, --since and --run
    show older output, too.
    """
    from sbxcompose.cli.async_main import run_simply
    from sbxcompose.cli.show_logs import show_logs
    from sbxcompose.cli.view.stream import LogStyle
    from sbxcompose.engine.read_logs import From

    given = [word for word, value in (("--tail", tail != "all"), ("--since", since), ("--run", run)) if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(f'`{option}`' for option in given)} do not go together")
    begin = From(tail=tail_lines(tail), since_ms=None if since is None else moment(since, time.time()), run=run)
    style = LogStyle(timestamps, not no_prefix, raw, as_json, runs=run_numbers)
    everything = everything or since is not None or run is not None
    project = shell.project()
    return run_simply(lambda: show_logs(shell, project, names, begin, style, going_on=follow, everything=everything))


def tail_lines(text: str) -> int | None:
    """`100` -> 100, `all` -> None. Raises `UsageError`."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f"invalid value `{text}` for `--tail`; expected a number of lines or `all`")
    return int(text)


def moment(text: str, now: float) -> int:
    """`10m` (ago), RFC 3339, or seconds since 1970 -> milliseconds since 1970. Raises `UsageError`."""
    from datetime import datetime

    from sbxcompose.spec.units import parse_duration

    if re.fullmatch(r"\d{9,}(\.\d+)?", text):
        return int(float(text) * 1000)
    try:
        return int((now - parse_duration(text)) * 1000)
    except ValueError:
        pass
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise UsageError(
            f"invalid value `{text}` for `--since`", hint="examples: `10m`, `1h30m`, `2026-11-24T09:30:00`"
        ) from None
