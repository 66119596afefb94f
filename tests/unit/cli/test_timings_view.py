"""The table of `--timings` and its critical path, at several widths."""

from __future__ import annotations

from sbxcompose.cli.style import Style
from sbxcompose.cli.view.timings import lines
from sbxcompose.plan.timings import Moments, timings
from tests.support.cases import each_case
from tests.unit.cli.test_snapshots import visible
from tests.unit.plan.test_timings import SEEN, SHOP, WEB, WORKER

PLAIN = Style(False)


def test_the_table_and_the_path() -> None:
    assert lines(timings(SHOP, SEEN, 100.0), PLAIN, None) == [
        "PROCESS  STARTED  READY  TOOK   AFTER",
        "db       0.50s    3.50s  3.00s  -",
        "cache    0.60s    1.00s  0.40s  -",
        "worker   0.70s    1.70s  1.00s  cache",
        "migrate  3.60s    5.10s  1.50s  db",
        "web      5.20s    7.20s  2.00s  migrate",
        "critical path (7.20s): 0.50s before the first start, db 3.10s, migrate 1.60s, web 2.00s",
    ]


def test_what_is_not_known_and_what_has_no_check() -> None:
    shown = lines(timings(SHOP, {WEB: Moments(100.05), WORKER: Moments(100.0)}, 100.0), PLAIN, None)
    assert shown[-1] == "critical path (1.00s): worker 1.00s (has no check)"
    assert "web      0.05s    -      -      -" in shown
    assert lines(timings(SHOP, {}, 0.0), PLAIN, None) == ["nothing was started"]


def test_what_was_never_ready() -> None:
    shown = lines(timings(SHOP, {WEB: Moments(100.0)}, 100.0, failed_at=103.0), PLAIN, None)
    assert shown[1:] == ["web      0.00s    -      -     -", "critical path (3.00s): web 3.00s (not ready)"]


@each_case("width", [30, 60, 200])
@each_case("colours", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, colours: bool) -> None:
    assert max(map(visible, lines(timings(SHOP, SEEN, 100.0), Style(colours), width))) <= width
