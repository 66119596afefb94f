"""Unfinished lines on a terminal: shown in place, never torn, never doubled, secrets masked."""

from __future__ import annotations

import re
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from sbxcompose.logs.mux import LineSource
from sbxcompose.logs.output import UNCHANGED_FOR, LogOutput
from sbxcompose.logs.prefix import Prefixes
from sbxcompose.logs.render import PrefixedRenderer
from sbxcompose.logs.sanitize import cleaner
from sbxcompose.logs.screen import Screen
from sbxcompose.logs.secrets import KnownSecrets
from sbxcompose.logs.write import FdSink

WEB, DB = LineSource("web"), LineSource("db")
SECRET = "hunter2"
LATER = float("inf")


class Terminal(FdSink):
    """As much of tmux as is written to: text, line ends, `\\r`, rows up, columns right, erasing, wrapping, history."""

    def __init__(self, columns: int = 40, rows: int = 30) -> None:
        self.columns, self.rows = columns, rows
        self.true_columns = columns
        """What `columns` will be once the size is told."""
        self.raw = b""
        self.waiting = 0
        self._history: list[list[str]] = []
        self._cells: list[list[str]] = [[]]
        self._row = self._column = 0
        self._wraps = True

    def write(self, parts: object) -> None:
        data = b"".join(bytes(part) for part in parts)  # type: ignore[attr-defined]
        self.raw += data
        self.waiting += len(data)
        for token in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|.", data.decode(), re.DOTALL):
            self._take(token)

    def _take(self, token: str) -> None:
        if token == "\n":
            self._row, self._column = self._row + 1, 0
            self._cells += [[]] * (self._row + 1 - len(self._cells))
        elif token == "\r":
            self._column = 0
        elif token in ("\x1b[?7h", "\x1b[?7l"):
            self._wraps = token.endswith("h")
        elif token.endswith("A") and token.startswith("\x1b"):
            self._row -= int(token[2:-1])
            assert self._row >= 0
        elif token == "\x1b[C":
            self._column += 1
        elif token in ("\x1b[J", "\x1b[K"):
            self._erase(below=token == "\x1b[J")
        elif not token.startswith("\x1b"):
            if self._column == self.true_columns:
                if not self._wraps:
                    return
                self._take("\n")
            line = list(self._cells[self._row])
            line[self._column : self._column + 1] = [token]
            self._cells[self._row] = line
            self._column += 1

    def _erase(self, *, below: bool) -> None:
        if below and self._row == self._column == 0:  # option scroll-on-clear
            self._history += self._cells
        if below:
            del self._cells[self._row + 1 :]
        self._cells[self._row] = self._cells[self._row][: self._column]

    def narrow(self, columns: int) -> None:
        """Wrap what is shown, as terminals do; the cursor stays with its text. Nobody is told of the size."""
        cells: list[list[str]] = []
        for number, row in enumerate(self._cells):
            if number == self._row:
                found = len(cells)
            cells += [row[at : at + columns] for at in range(0, len(row), columns)] or [[]]
        self._row, self._cells, self.true_columns = found + self._column // columns, cells, columns

    @property
    def text(self) -> str:
        """What is seen, with what can be scrolled back to, a line a row."""
        return "\n".join("".join(row) for row in (*self._history, *self._cells))


def output(terminal: Terminal, *, colour: bool = False) -> LogOutput:
    return LogOutput(
        PrefixedRenderer(Prefixes(["web", "db"], colour=colour)),
        terminal,
        clean=cleaner(terminal=True, colours=colour),
        secrets=KnownSecrets([SECRET]),
        screen=Screen(lambda: (terminal.columns, terminal.rows)),
    )


def drawn(log: LogOutput, terminal: Terminal) -> bytes:
    """All that was written once every line has stood still."""
    log.tick(LATER)
    return terminal.raw


def test_half_a_line_is_shown_once_no_more_comes_and_continues_where_it_is() -> None:
    terminal = Terminal()
    log = output(terminal)
    log.feed(WEB, b"Name? ", 0)
    log.tick(0)
    assert log.wait == UNCHANGED_FOR, "it may be going on"
    assert not terminal.waiting
    assert drawn(log, terminal) == b"web | Name? "
    log.feed(WEB, b"Bo", 0)
    log.tick(0)
    log.feed(WEB, b"b\nHello\n", 0)
    assert drawn(log, terminal) == b"web | Name? Bob\nweb | Hello\n"


def test_nothing_waits_once_all_is_shown() -> None:
    terminal = Terminal()
    log = output(terminal)
    log.feed(WEB, b"Name? ", 0)
    drawn(log, terminal)
    assert log.wait is None
    log.feed(WEB, b"Bob\nNext? ", 0)
    log.feed(WEB, b"\n", 0)
    assert log.wait is None


def test_lines_of_others_come_above_it() -> None:
    terminal = Terminal()
    log = output(terminal)
    log.feed(WEB, b"Name? ", 0)
    log.tick(LATER)
    log.feed(DB, b"checkpoint\n", 0)
    log.announce("db ready", 0)
    assert terminal.text == "db  | checkpoint\n    * db ready\nweb | Name? "
    log.feed(WEB, b"Bob\n", 0)
    assert terminal.text == "db  | checkpoint\n    * db ready\nweb | Name? Bob\n"


def test_each_state_of_a_progress_bar_is_shown_in_place() -> None:
    terminal = Terminal()
    log = output(terminal)
    for state in ("10%", "20%", "100% of it", "9%\x1b[K"):
        log.feed(WEB, f"\r{state}".encode(), 0)
        log.tick(0)
        assert terminal.text == f"web | {state.removesuffix(chr(27) + '[K')}"
    log.feed(WEB, b"\rdone\x1b[K\nnext\n", 0)
    assert terminal.text == "web | done\nweb | next\n"


def test_two_progress_bars_stand_one_below_the_other() -> None:
    terminal = Terminal()
    log = output(terminal)
    for percent in (10, 50, 90):
        for source in (WEB, DB):
            log.feed(source, b"\r%d%%" % percent, 0)
            log.tick(0)
    assert terminal.text == "web | 90%\ndb  | 90%"
    log.end(WEB)
    assert terminal.text == "web | 90%\ndb  | 90%"
    log.end_all()
    assert terminal.text == "web | 90%\ndb  | 90%\n"


def test_what_may_begin_a_secret_waits_for_the_rest() -> None:
    terminal = Terminal()
    log = output(terminal)
    log.feed(WEB, b"the password is hunt", 0)
    log.tick(LATER)
    assert terminal.text == "web | the password is "
    log.feed(WEB, b"er2, ", 0)
    log.tick(LATER)
    assert terminal.text == "web | the password is ***, "
    log.feed(WEB, b"ok?\n", 0)
    assert terminal.raw == b"web | the password is ***, ok?\n"


def test_half_a_sequence_and_half_a_character_wait_for_the_rest() -> None:
    terminal = Terminal()
    log = output(terminal, colour=True)
    for piece in (b"gr\xc3", b"\xbcn \x1b[3", b"1mrot", b"\x1b[0m und \x1b]0;ti", b"tle\x07weiter"):
        log.feed(WEB, piece, 0)
        log.tick(LATER)
    assert terminal.text == "web | grün rot und weiter"
    log.feed(WEB, b"\n", 0)
    assert terminal.text == "web | grün rot und weiter\n"


def test_a_block_stands_below_all_shrinks_and_goes() -> None:
    terminal = Terminal()
    log = output(terminal)
    log.status(["waiting", "  for db", f"  and {SECRET}"])
    log.feed(WEB, b"one\n", 0)
    log.feed(WEB, b"two? ", 0)
    log.tick(LATER)
    assert terminal.text == "web | one\nweb | two? \nwaiting\n  for db\n  and ***"
    log.status(["waiting"])
    assert terminal.text == "web | one\nweb | two? \nwaiting"
    log.feed(WEB, b"yes\n", 0)
    log.status([])
    assert terminal.text == "web | one\nweb | two? yes\n"


def test_a_block_is_erased_whole_by_a_terminal_that_is_narrower_than_it_has_told() -> None:
    terminal = Terminal()
    log = output(terminal)
    log.status(["waiting for what takes long", "  web  starting  needs the database"])
    terminal.narrow(12)
    log.feed(WEB, b"one\n", 0)
    log.tick(0)
    assert terminal.text == "web | one\nwaiting for \n  web  start"
    log.status([])
    assert terminal.text == "web | one\n"


def test_a_block_that_is_too_wide_or_too_high_takes_half_of_the_terminal() -> None:
    terminal = Terminal(columns=20, rows=8)
    log = output(terminal)
    log.feed(DB, b"half", 0)
    log.tick(LATER)
    log.status(["x" * 30] * 9)
    assert terminal.text == "\n".join(["x" * 18 + "…"] * 4)
    log.status([])
    assert terminal.text == "db  | half"


def test_room_is_made_for_what_others_write() -> None:
    terminal = Terminal()
    log = output(terminal)
    log.feed(WEB, b"Name? ", 0)
    log.tick(LATER)
    log.make_room()
    terminal.write([b"note: by somebody else\n"])
    log.tick(0)
    assert terminal.text == "note: by somebody else\nweb | Name? "


def test_a_line_wider_than_the_terminal_is_erased_as_a_whole() -> None:
    terminal = Terminal(columns=20)
    log = output(terminal)
    log.feed(WEB, b"0123456789" * 4, 0)
    log.tick(LATER)
    log.feed(DB, b"x\n", 0)
    assert terminal.text.replace("\n", "") == "db  | x" + "web | " + "0123456789" * 4
    log.feed(WEB, b"0123456789" * 90, 0)
    log.tick(LATER)
    log.feed(WEB, b"\n", 0)
    assert terminal.text.replace("\n", "") == "db  | x" + "web | " + "0123456789" * 94


class Fed(NamedTuple):
    """A piece of output."""

    source: LineSource
    data: bytes


PIECES = st.sampled_from([b"a", b"bc ", b"\n", b"hun", b"ter2", b"\r", b"\x1b[31m", b"\x1b[K", b"\t", "ü".encode()])
STEPS = st.lists(
    st.one_of(
        st.builds(Fed, st.sampled_from([WEB, DB]), st.lists(PIECES, max_size=6).map(b"".join)),
        st.sampled_from([0.0, LATER]),
        st.sampled_from(["told", "room"]),
    ),
    max_size=25,
)


@given(STEPS, st.booleans(), st.sampled_from([12, 40]))
@example([Fed(WEB, b"hun"), LATER, Fed(WEB, b"ter2"), LATER, Fed(WEB, b"\n")], False, 40)
def test_in_the_end_there_is_each_line_once_and_whole(
    steps: list[Fed | float | str], colour: bool, columns: int
) -> None:
    terminal, plain = Terminal(columns), Terminal(10_000)
    live, whole = output(terminal, colour=colour), output(plain, colour=colour)
    for step in steps:
        if isinstance(step, float):
            live.tick(step)
        elif step == "room":
            live.make_room()
        elif isinstance(step, str):
            live.status([step] * 3)
            live.announce(step, 0)
            whole.announce(step, 0)
        else:
            live.feed(step.source, step.data, 0)
            whole.feed(step.source, step.data, 0)
        assert SECRET not in terminal.text
    live.end_all()
    whole.end_all()
    wrapped = Terminal(columns)
    wrapped.write([plain.raw])
    assert terminal.text == wrapped.text
