"""What is kept of a terminal's output, in memory and for a successor."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.host.terminals.scrollback import Scrollback


def whole(tape: Scrollback) -> bytes:
    return tape.read(tape.start, tape.end)


def test_what_is_appended_can_be_read_from_any_position(tmp_path: Path) -> None:
    tape = Scrollback(tmp_path)
    tape.append(b"hello ")
    tape.append(b"world")
    assert (tape.start, tape.end) == (0, 11)
    assert tape.read(0, 5) == b"hello"
    assert tape.read(6, 100) == b"world"
    assert tape.read(11, 100) == b""
    tape.close()


def test_only_the_last_part_is_kept_and_positions_stay(tmp_path: Path) -> None:
    tape = Scrollback(tmp_path, kept=100)
    written = b"".join(b"%07d\n" % number for number in range(200))
    for start in range(0, len(written), 8):
        tape.append(written[start : start + 8])
    assert tape.end == len(written)
    assert 100 <= tape.end - tape.start <= 200
    assert whole(tape) == written[tape.start :]
    assert tape.read(0, 8) == written[tape.start : tape.start + 8]
    tape.close()


def test_a_successor_continues_where_the_last_one_was_killed(tmp_path: Path) -> None:
    written = b"".join(b"%07d\n" % number for number in range(500))
    for start in range(0, len(written), 56):
        tape = Scrollback(tmp_path, kept=300)  # killed after each piece: never closed in order
        tape.append(written[start : start + 56])
        assert tape.end - tape.start >= min(tape.end, 300)
        assert whole(tape) == written[: tape.end][tape.start :]
        tape.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 900


def test_a_disk_that_cannot_be_written_to_costs_the_file_and_not_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = Scrollback(tmp_path / "missing")
    tape.append(b"on we go")
    assert whole(tape) == b"on we go"
    assert "not recorded" in capsys.readouterr().err


def test_what_lies_before_a_gap_is_of_no_use(tmp_path: Path) -> None:
    (tmp_path / "0.out").write_bytes(b"old")
    (tmp_path / "10.out").write_bytes(b"new")
    tape = Scrollback(tmp_path)
    assert (tape.start, tape.end, whole(tape)) == (10, 13, b"new")
