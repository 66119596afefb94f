from __future__ import annotations

from sbxcompose.cli.context import harmless
from sbxcompose.cli.style import Style
from sbxcompose.cli.view.ps import PsRows, command_words, lines, to_json
from sbxcompose.cli.view.table import table_lines
from sbxcompose.cli.view.text_table import TextTable
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.plan.observed import Foreign, Instance, ObservedRow, Phase
from sbxcompose.text_width import text_width
from tests.support.cases import each_case

WEB = Instance("main", "web")
HIDE = KnownSecrets(["hunter2", "it's so"]).hide


def row(*command: str) -> ObservedRow:
    return ObservedRow(WEB, "3f2a9c1d", "web.3f2a9c1d", Phase.RUNNING, pid=7, command=command)


@each_case(
    "command, words",
    [
        (("sh", "-c", "echo  one\n  two"), "echo  one two"),
        (("server", "--name", ""), "server --name ''"),
        (("sh", "-c", "echo $1", "sh", "a b"), "sh -c 'echo $1' sh 'a b'"),
        (("login", "--password=hunter2", "it's so"), "login --password=*** '***'"),
        (("sh", "-c", "login hunter2"), "login ***"),
        (("evil", "\x1b[2J\x1b[31mred"), "evil 'red'"),
        ((), "-"),
    ],
)
def test_a_command_is_shown_as_a_shell_takes_it_and_harmless(command: tuple[str, ...], words: str) -> None:
    assert command_words(command, HIDE) == words


def test_what_runs_is_shown_and_not_what_the_file_has_become() -> None:
    entry = ListedInstance(WEB, "web", None, row("old", "--flag"))
    shown = lines(PsRows([entry], [], 0.0), Style(enabled=False), None, HIDE)
    assert shown[1].endswith("old --flag")
    assert to_json(entry, 0.0, HIDE)["command"] == ["old", "--flag"]


def test_a_foreign_command_is_harmless_too() -> None:
    foreign = Foreign("main", 9, "\x1b]0;title\x07evil", ("cat", "", "hunter2"), running=True)
    shown = lines(PsRows([], [foreign], 0.0), Style(enabled=False), None, HIDE)
    assert shown[1].split() == ["(evil)", "foreign", "9", "cat", "''", "***"]


def test_a_one_off_command_is_shown_with_the_process_that_it_was_run_for() -> None:
    one_off = Foreign("main", 9, None, ("sleep", "60"), running=True, beside=WEB)
    shown = lines(PsRows([], [one_off], 0.0, lambda instance: "app/web"), Style(enabled=False), None, HIDE)
    assert shown[1].split() == ["(app/web)", "one-off", "9", "sleep", "60"]


def test_messages_keep_our_colours_and_nothing_else_that_acts() -> None:
    assert harmless("\x1b[31merror:\x1b[0m it said \x1b[2J\x1b]0;x\x07boo\nnext\tone") == (
        "\x1b[31merror:\x1b[0m it said boo\nnext\tone"
    )
    assert harmless("plain") == "plain"


@each_case("width", [8, 20, 30, 40, 60, 80, 200])
@each_case("columns", [1, 2, 3, 4])
def test_no_row_of_a_table_is_wider_than_the_terminal(width: int, columns: int) -> None:
    row = ["a-process-with-a-very-long-name", "backing off, again in 3.6s", "1234", "sleep 1000 " * 20]
    shown = TextTable(["NAME", "STATUS", "PID", "COMMAND"][:columns], [row[:columns]] * 2)
    assert max(map(text_width, table_lines(shown, Style(False), width))) <= max(width, 3 * columns - 2)


def test_a_narrow_terminal_cuts_the_name_before_the_only_other_column() -> None:
    rows = [["a-process-with-a-very-long-name", "backing off, again in 3.6s"], ["db", "ready"]]
    assert table_lines(TextTable(["NAME", "STATUS"], rows), Style(False), 40) == [
        "NAME          STATUS",
        "a-process-w…  backing off, again in 3.6s",
        "db            ready",
    ]
