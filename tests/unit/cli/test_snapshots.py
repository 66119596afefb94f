"""What people see of the main commands at 60, 80 and 200 columns, with and without colours.

The files in `snapshots/` hold what is shown, with `␛` for the escape character. After a wanted change
`UPDATE_SNAPSHOTS=1 python -m pytest tests/unit/cli/test_snapshots.py` writes them anew: read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace
from rich.text import Text

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.announce import Announcement, Severity, announced
from sbxcompose.cli.view.drawn import HANG, tree_lines
from sbxcompose.cli.view.errors import error_text
from sbxcompose.cli.view.live import Live
from sbxcompose.cli.view.plan import plan_lines
from sbxcompose.cli.view.ps import PsRows
from sbxcompose.cli.view.ps import lines as ps_lines
from sbxcompose.cli.view.report import LastLines
from sbxcompose.cli.view.status_block import block_lines
from sbxcompose.cli.view.timings import lines as timing_lines
from sbxcompose.cli.view.verdict import verdict_lines
from sbxcompose.cli.view.why import explanation_tree
from sbxcompose.engine.listing import listing
from sbxcompose.errors import InvalidSpec, Mistake, ProviderError, UnknownName
from sbxcompose.files.transfer import TransferProgress
from sbxcompose.logs.mux import Block, LineSource
from sbxcompose.logs.prefix import STDERR, Prefixes
from sbxcompose.logs.render import PrefixedRenderer
from sbxcompose.plan.diff import plan
from sbxcompose.plan.names import ProcessNames
from sbxcompose.plan.observed import Exit, Foreign, Instance, Observed, Phase
from sbxcompose.plan.options import Intent, PlanOptions
from sbxcompose.plan.outcomes import Failed, Report, Success
from sbxcompose.plan.timings import timings
from sbxcompose.plan.waits import HeldUpInstance, Wait, WaitState, held_up
from sbxcompose.plan.why import why
from tests.support.cases import each_case
from tests.unit.plan.plan_worlds import CHECK, COMPLETED, NEVER, V2, need, process, project, row, seen
from tests.unit.plan.test_timings import SEEN
from tests.unit.plan.test_timings import SHOP as TIMED

FOLDER = Path(__file__).parent / "snapshots"
WIDTHS = (60, 80, 200)
NOW = 1_000.0

SHOP_FILE = project(
    process("db", check=CHECK),
    process("migrate", ["db"], restart=NEVER),
    process("web", [need("migrate", COMPLETED), "db"], check=CHECK, replicas=2, description="the shop's front end"),
    process("worker", ["db"]),
)
OBSERVED = Observed(
    (
        seen(
            replace(row("db", check=True), pid=41, run=1, started_at=NOW - 4_000, command=("postgres", "-D", "data")),
            replace(
                row("migrate", Phase.EXITED, exit=Exit(code=3, at=NOW - 9), one_shot=True),
                command=("sh", "-c", "python manage.py migrate --database 'the one in the file'"),
            ),
            replace(
                row("worker", Phase.BACKING_OFF, exit=Exit(signal=11, at=NOW - 1), digest=V2),
                restarts=4,
                run=5,
                next_restart_at=NOW + 7,
                command=("worker", "--queue", "mail"),
            ),
            foreign=[Foreign("main", 99, "sshd", ("/usr/sbin/sshd", "-D"), running=True)],
        ),
    )
)
NAMES = ProcessNames(SHOP_FILE)
LOST = ("Traceback (most recent call last):", "psycopg.OperationalError: the server closed the connection unexpectedly")
WEB = [HeldUpInstance(Instance("main", "web", number), f"web.{number}", ("migrate", "db")) for number in (1, 2)]
(WEB_HELD_UP,) = held_up(WEB).values()


def visible(line: str) -> int:
    """Columns that a line takes on a terminal."""
    return Text.from_ansi(line).cell_len


def said(name: str, text: str, tone: Severity = Severity.PLAIN) -> Announcement:
    return Announcement(Instance("main", name), text, tone)


def up(style: Style, width: int) -> list[str]:
    """An attached `up` while processes come up: lines of output, announcements, the block."""
    log = PrefixedRenderer(
        Prefixes(["db", "migrate", "web.1"], colour=style.enabled), colour=style.enabled, columns=lambda: width
    )
    long = b"INFO request handled in 12 ms path=/api/items/1234 agent=curl/8.5.0 referer=http://localhost:8080/cart\n"
    parts = [
        *log.announcement("db started", 0, None, error=False),
        *log.lines(Block(LineSource("db", STDERR), 0, b"database system is ready to accept connections\n")),
        *log.lines(Block(LineSource("web.1"), 0, b"listening on 8080\n" + long)),
        *log.announcement("migrate exited with code 3, restarts in 0.5s", 0, None, error=True),
    ]
    waits = (
        (
            Wait("", "web needs it", None, "migrate", WaitState("backing off", "exited with code 3, restarts in 1 s")),
            2,
        ),
        (Wait("", None, None, "worker", WaitState("starting", "waiting for a line that matches `ready`")), 12),
        (WEB_HELD_UP, 14),
    )
    live = Live("1 of 5 processes ready", waits, (("app", TransferProgress(30, 120, 3 << 20, 9 << 20)),))
    block = block_lines(live, (width, 24), colours=style.enabled, clean=str)
    return [*b"".join(map(bytes, parts)).decode().splitlines(), *block]


def down(style: Style, width: int) -> list[str]:
    """`down` while one process takes its time."""
    lines = [announced(item, NAMES.instance, style) for item in (said("web", "stopped"), said("worker", "stopped"))]
    details = "sent SIGTERM, SIGKILL follows after 10 s"
    waits = ((Wait("", None, None, "db", WaitState("stopping", details)), 3.0),)
    return [*lines, *block_lines(Live(None, waits), (width, 24), colours=style.enabled, clean=str)]


def wait(style: Style, width: int) -> list[str]:
    """The end of `up --wait`, bad and good."""
    api = Report(Instance("main", "api"), "api", "exited with code 3", lines=("Traceback", "KeyError: 'DATABASE_URL'"))
    web = Report(Instance("main", "web"), "web", "waits for api", waits_for=("api",))
    lines = [announced(said("api", "exited with code 3", Severity.BAD), NAMES.instance, style)]
    lines += verdict_lines(Failed((api,), (web,)), 2.34, style, "sbxcompose up api")
    return [*lines, *verdict_lines(Success(5, 1), 1.84, style)]


def ps(style: Style, width: int) -> list[str]:
    """`ps`: all kinds of states."""
    shown = listing(SHOP_FILE, OBSERVED, everything=True)
    foreign = [item for sandbox in OBSERVED.sandboxes for item in sandbox.foreign]
    return ps_lines(PsRows(shown, foreign, NOW), style, width, str)


def explain(style: Style, width: int) -> list[str]:
    """`why`: what failed, what is held up, what crashes, what is fine."""
    lines: list[str] = []
    for name in ("migrate", "web", "worker", "db"):
        answer = why(SHOP_FILE, OBSERVED, Instance("main", name), NOW)
        output = LastLines(f"last lines of {name}#1:", LOST) if name == "migrate" else None
        lines += tree_lines([explanation_tree(answer, output, str)], width, colors=style.enabled, hang=HANG)
    return lines


def planned(style: Style, width: int) -> list[str]:
    """`plan`: what `up` would do."""
    made = plan(SHOP_FILE, OBSERVED, Intent.UP, PlanOptions())
    return [*plan_lines(made, style, width), made.summary]


def timed(style: Style, width: int) -> list[str]:
    """`up --timings`."""
    return timing_lines(timings(TIMED, SEEN, 100.0), style, width)


def errors(style: Style, width: int) -> list[str]:
    """Errors: mistakes of a file, a name that does not exist, a provider that does not answer."""
    source = "  web: {comand: [python, -m, http.server, '8080'], env: {MODE: production, LEVEL: info}, depends: [db]}"
    file = "sbxcompose.yaml"
    mistakes = [
        Mistake("unknown key `comand`", file=file, line=4, column=9, source=source, hint="did you mean `command`?"),
        Mistake("unknown key `depends`", file=file, line=4, column=89, source=source, hint="try `depends_on`"),
    ]
    shown = [
        InvalidSpec(mistakes),
        UnknownName("process", "wbe", ["db", "web"]),
        ProviderError("the host did not answer within 10 s", hint="`sbxcompose host status` shows whether it runs"),
    ]
    return [line for error in shown for line in error_text(error, style, width).splitlines()]


VIEWS: Mapping[str, Callable[[Style, int], list[str]]] = {
    "up": up,
    "down": down,
    "wait": wait,
    "ps": ps,
    "why": explain,
    "plan": planned,
    "timings": timed,
    "errors": errors,
}
FITTING = ("up", "down", "ps", "why", "plan", "timings", "errors")
"""What is laid out for the width; the rest is text that the terminal wraps."""


@each_case("name", VIEWS)
def test_what_is_shown_is_what_was_agreed(name: str) -> None:
    shown = []
    for width in WIDTHS:
        for colours in (False, True):
            title = f"{width} columns, {'with' if colours else 'without'} colours"
            shown += [f"=== {title}", *VIEWS[name](Style(colours), width)]
    text = "\n".join(shown).replace("\x1b", "␛") + "\n"
    path = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@each_case("name", VIEWS)
@each_case("width", WIDTHS)
def test_without_colours_nothing_acts_on_the_terminal_and_the_text_is_the_same(name: str, width: int) -> None:
    plain, coloured = VIEWS[name](Style(False), width), VIEWS[name](Style(True), width)
    assert all(line.isprintable() for line in plain)
    assert [visible(line) for line in coloured] == [visible(line) for line in plain]


@each_case("name", FITTING)
@each_case("width", WIDTHS)
def test_lines_fit(name: str, width: int) -> None:
    shown = VIEWS[name](Style(True), width)
    assert [line for line in shown if visible(line) > width and "://" not in line] == []
