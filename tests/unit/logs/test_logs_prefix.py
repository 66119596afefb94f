from __future__ import annotations

from math import dist

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.logs.prefix import PALETTE, STDERR, STDOUT, Prefixes, colour, colours, fit, label_limit
from sbxcompose.text_width import text_width
from tests.support.cases import each_case

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_./", min_size=1, max_size=12)


def test_the_streams_are_distinguished_without_colour() -> None:
    prefixes = Prefixes(["web", "app/worker"])
    assert prefixes.of("web", STDOUT, 1) == b"web        | "
    assert prefixes.of("web", STDERR, 1) == b"web        ! "
    assert prefixes.of("app/worker", STDOUT, 1) == b"app/worker | "
    assert prefixes.system() == b"           * "


def test_a_colour_ends_before_the_line_and_red_is_for_stderr() -> None:
    prefixes = Prefixes(["web"], colour=True)
    paint = b"\x1b[38;5;%dm" % colour("web")
    assert prefixes.of("web", STDOUT, 1) == paint + b"web |\x1b[0m "
    assert prefixes.of("web", STDERR, 1) == paint + b"web \x1b[31m!\x1b[0m "


def test_a_process_keeps_its_colour_when_it_is_looked_at_alone() -> None:
    labels = [f"worker{number}" for number in range(len(PALETTE))]
    together = Prefixes(labels, colour=True)
    for label in labels:
        alone = Prefixes([label], colour=True, among=labels)
        assert alone.of(label, STDOUT, 1).split(b"m")[0] == together.of(label, STDOUT, 1).split(b"m")[0]


def test_runs_are_shown_when_asked_for() -> None:
    prefixes = Prefixes(["web"], runs=True)
    assert prefixes.of("web", STDOUT, 3) == b"web#3 | "
    assert prefixes.of("web", STDOUT, 12) == b"web#12 | "
    assert prefixes.of("web", STDOUT, 3) == b"web#3  | "


def test_a_label_that_was_not_announced_widens_the_column() -> None:
    prefixes = Prefixes(["a"])
    assert prefixes.of("a", STDOUT, 1) == b"a | "
    assert prefixes.of("long", STDOUT, 1) == b"long | "
    assert prefixes.of("a", STDOUT, 1) == b"a    | "


def test_what_tells_replicas_apart_survives_the_cut() -> None:
    first, second = (fit(f"a-process-with-a-very-long-name.{number}", 24) for number in (1, 2))
    assert first != second
    assert first == "a-process-with-a…-name.1"


def test_wide_characters_take_two_columns() -> None:
    assert text_width("日本") == 4
    assert text_width("e\u0301") == 1
    assert fit("日本", 6) == "日本  "
    assert text_width(fit("日本語日本語", 6)) == 6


@given(st.lists(NAMES, unique=True, max_size=len(PALETTE)))
def test_no_two_labels_share_a_colour_while_there_are_enough(labels: list[str]) -> None:
    assert len(set(colours(labels).values())) == len(labels)


@given(st.lists(NAMES, unique=True, max_size=40))
def test_colours_do_not_depend_on_the_order(labels: list[str]) -> None:
    assert colours(labels) == colours(reversed(labels))


def test_colours_are_the_same_in_every_run_and_terminal() -> None:
    assert colours(["web", "worker", "db"]) == {"db": 32, "web": 201, "worker": 28}
    assert colours(["web"]) == {"web": colour("web")}


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_label_is_as_wide_as_asked(label: str, columns: int) -> None:
    assert text_width(fit(label, columns)) == columns


def channels(entry: int) -> tuple[int, int, int]:
    """The red, green and blue of an entry of the 256-colour table that is in its cube."""
    levels = (0, 95, 135, 175, 215, 255)
    return levels[(entry - 16) // 36], levels[(entry - 16) // 6 % 6], levels[(entry - 16) % 6]


def linear(entry: int) -> tuple[float, float, float]:
    def one(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = channels(entry)
    return one(red), one(green), one(blue)


def luminance(entry: int) -> float:
    """WCAG 2, relative luminance."""
    red, green, blue = linear(entry)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def lab(entry: int) -> tuple[float, float, float]:
    """CIE L*a*b*, in which a distance is how different two colours look."""
    red, green, blue = linear(entry)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in (x, luminance(entry), z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@each_case("entry", PALETTE)
def test_each_colour_can_be_read_on_black_and_on_white(entry: int) -> None:
    on_black, on_white = (luminance(entry) + 0.05) / 0.05, 1.05 / (luminance(entry) + 0.05)
    assert min(on_black, on_white) >= 3.1


@each_case("entry", PALETTE)
def test_no_two_colours_are_near_twins_and_none_is_like_the_red_of_errors(entry: int) -> None:
    others = [other for other in PALETTE if other != entry]
    assert min(dist(lab(entry), lab(other)) for other in others) >= 28
    assert min(dist(lab(entry), lab(red)) for red in (124, 160, 196)) >= 28


def test_a_narrow_terminal_keeps_room_for_the_lines() -> None:
    assert [label_limit(columns) for columns in (None, 200, 80, 60, 40, 10)] == [24, 24, 24, 20, 13, 8]


def test_a_process_that_gets_a_number_keeps_its_colour_and_others_take_another() -> None:
    alone = Prefixes(["web", "db"], colour=True)
    paint = alone.of("web", STDOUT, 1).partition(b"m")[0]
    assert alone.of("web.1", STDOUT, 1).startswith(paint + b"m")
    added = [alone.of(f"web.{replica}", STDOUT, 1).partition(b"m")[0] for replica in range(2, 7)]
    assert len({paint, *added}) == 6
