"""The table that benchmarks print: a wrong ratio would be worse than none."""

from __future__ import annotations

from collections import Counter

from benchmarks import growth, soak
from benchmarks.__main__ import NAMES
from benchmarks.figures import OURS, Figure, rows


def cells(line: str) -> list[str]:
    return line.split()


def test_a_peer_is_shown_as_a_multiple_of_ours() -> None:
    ours, peer = rows([Figure("start", OURS, 20.0, "ms"), Figure("start", "honcho", 50.0, "ms", "as it is")])
    assert cells(ours) == ["start", OURS, "20.0", "ms"]
    assert cells(peer) == ["honcho", "50.0", "ms", "2.50", "x", "as", "it", "is"]


def test_another_measurement_has_no_ratio_to_ours_of_the_one_before() -> None:
    shown = rows([Figure("start", OURS, 20.0, "ms"), Figure("stop", "honcho", 50.0, "ms")])
    assert " x" not in shown[1]


def test_what_could_not_be_measured_says_why() -> None:
    assert cells(rows([Figure("stop", "honcho", None, "ms", "never ends")])[0])[1:] == ["honcho", "-", "never", "ends"]


def test_zero_of_ours_gives_no_ratio() -> None:
    shown = rows([Figure("left", OURS, 0.0, "processes"), Figure("left", "honcho", 10.0, "processes")])
    assert " x" not in shown[1]


def test_growth_is_told_beside_that_of_the_number() -> None:
    shown = rows(growth.steps("work", {10: 2.0, 1: 1.0, 50: 13.0, 100: None, 200: 52.0}))
    assert [" ".join(cells(line)) for line in shown] == [
        "growth of work, 1 to 10 sbxcompose 2.00 x for 10 x as many: less than linear",
        "growth of work, 10 to 50 sbxcompose 6.50 x for 5 x as many: more than linear",
        "growth of work, 50 to 200 sbxcompose 4.00 x for 4 x as many: linear",
    ]


def test_benchmarks_are_named_once() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_a_soak_shows_what_has_grown() -> None:
    samples = [soak.Sample(10.0, 20.0 + number, 7.0, 9.0, 4.0) for number in range(9)]
    shown = {figure.what: figure.value for figure in soak.figures(samples, Counter({"readers": 3}))}
    assert shown["memory of the keeper (RSS), end to start"] == 1.0
    assert shown["memory of the server (RSS), end to start"] == 27.0 / 21.0
    assert shown["open descriptors of the server, middle"] == 9.0
    assert shown["done: readers"] == 3.0
