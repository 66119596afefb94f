"""When new records are written through to the disk: after a moment without another, and not much later."""

from __future__ import annotations

from sbxcompose.host.base.flush import LONGEST, PAUSE, due


def test_one_file_waits_for_the_pause() -> None:
    assert due(10.0, 10.0) == 10.0 + PAUSE


def test_more_files_put_it_off() -> None:
    assert due(10.0, 10.4) == 10.4 + PAUSE


def test_files_that_keep_coming_put_it_off_only_so_far() -> None:
    assert due(10.0, 10.0 + LONGEST - 0.01) == 10.0 + LONGEST
