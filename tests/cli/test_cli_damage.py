"""What of the host's state could not be used: `host status` and `doctor` tell of it, and the rest works."""

from __future__ import annotations

from pathlib import Path

from tests.cli.looking import FOREVER, pids
from tests.support.command import Result, Sbx
from tests.support.host_state import DAMAGES
from tests.support.rights import bound_by_modes

WEB = f"processes: {{web: {{command: {FOREVER}}}, db: {{command: {FOREVER}}}}}\n"


def stopped(sbx: Sbx) -> list[Path]:
    """The records of a project that has run, without a host."""
    sbx.write(WEB)
    sbx.run("up", "-d")
    sbx.run("down")
    sbx.run("host", "stop")
    return sorted((sbx.home.state / "sandboxes").glob("*/processes/*.json"))


def told(sbx: Sbx) -> tuple[str, str]:
    """What `host status` and `doctor` print once the project runs again."""
    found: list[Result] = []

    def ask() -> None:
        sbx.run("up", "-d")
        found.append(sbx.run("host", "status"))
        found.append(sbx.run("doctor", code=None))

    bound_by_modes(ask)
    assert pids(sbx).keys() == {"web", "db"}
    status, doctor = (result.stdout for result in found)
    return status, doctor


def test_a_damaged_record_is_set_aside_and_listed(sbx_alone: Sbx) -> None:
    record, _ = stopped(sbx_alone)
    DAMAGES["a FIFO"](record)  # every damage of every file: tests/live/host/test_host_damage.py
    status, doctor = told(sbx_alone)
    kept = sbx_alone.home.state / "damaged"
    assert f"damaged files, set aside in {kept}:\n" in status
    assert f"-processes-{record.name}\n" in status
    assert f"1 file could not be used, set aside in {kept}" in doctor
    assert "see `sbxcompose host status`" in doctor
    for path in kept.iterdir():
        path.unlink()
    assert "damaged" not in sbx_alone.run("host", "status").stdout, "who has looked deletes it"


def test_a_file_that_cannot_be_moved_away_is_listed_with_the_remedy(sbx_alone: Sbx) -> None:
    record, _ = stopped(sbx_alone)
    DAMAGES["unreadable"](record.parent)
    record.parent.parent.chmod(0o500)
    found: list[Result] = []

    def ask() -> None:
        found.append(sbx_alone.run("ps", code=None))
        found.append(sbx_alone.run("host", "status"))
        found.append(sbx_alone.run("doctor", code=None))

    try:
        bound_by_modes(ask)
    finally:
        record.parent.parent.chmod(0o700)
    _, status, doctor = found
    assert f"damaged, and cannot be moved away: {record.parent}\n" in status.stdout
    assert f"{record.parent} cannot be used" in doctor.stdout
    assert "(`chown`)" in doctor.stdout
    assert doctor.code == 3
