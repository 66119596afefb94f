"""What is staged in a sandbox while a tree is copied, and what becomes of it when that is cut off."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sbxcompose.errors import Unreachable
from sbxcompose.files import carry, transfer
from sbxcompose.files.remote import RemoteResult
from tests.live.files.test_copy import Sides
from tests.support.fake_sandbox import FolderRemote


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sides:
    monkeypatch.setattr(transfer, "PAUSE", 0.0)
    return Sides(tmp_path)


@pytest.mark.parametrize("large", [False, True], ids=["inline", "archive"])
def test_a_rival_on_this_machine_that_takes_our_stage_for_left_behind_is_survived(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    """Another command of the same project, which cannot know whether we are alive, sweeps before our script runs."""
    if large:
        monkeypatch.setattr(carry, "SMALL", 0)
    sides.write("a")
    place = sides.there / ".sbxcompose"

    class Swept(FolderRemote):
        swept = 0

        async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
            if not self.swept and list(place.glob("in.*")):
                self.swept = 1
                for path in place.glob("in.*"):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            return await super().run(arguments)

    remote = Swept()
    sides.sync(remote)
    assert remote.swept
    assert sides.same


def test_what_got_through_and_was_not_put_into_place_is_removed(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt sends its own archive; those before it must not stay, nor may the last one of a copy that fails."""
    monkeypatch.setattr(carry, "SMALL", 0)
    place = sides.there / ".sbxcompose"

    def staged() -> list[str]:
        return [path.name for path in place.glob("in.*")]

    class Cut(FolderRemote):
        cuts = 3

        async def run(self, arguments: tuple[str, ...]) -> RemoteResult:
            if arguments[2] == carry.UNPACK and self.cuts:
                self.cuts -= 1
                raise Unreachable("the connection was cut")
            return await super().run(arguments)

    sides.write("a")
    sides.sync(Cut())
    assert sides.same
    assert staged() == []
    sides.write("b")
    given_up = Cut()
    given_up.cuts = transfer.TRIES
    with pytest.raises(Unreachable):
        sides.sync(given_up)
    assert staged() == []


def test_what_another_machine_has_left_is_removed_after_a_day(sides: Sides) -> None:
    place = sides.there / ".sbxcompose"
    for name, days in (("in.other.7.1.tar", 2), ("in.other.8.1.tar", 0)):
        file = sides.there / ".sbxcompose" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("half of an archive")
        moment = file.stat().st_mtime - days * 86_400
        os.utime(file, (moment, moment))
    sides.write("a")
    sides.sync()
    assert [path.name for path in place.glob("in.*")] == ["in.other.8.1.tar"]
