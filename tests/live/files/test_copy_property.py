"""Random trees, random edits, random cuts: afterwards both sides are the same, byte for byte and mode for mode."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.files import carry, transfer
from sbxcompose.files.read import Memory
from sbxcompose.files.scan import CopySource
from sbxcompose.files.transfer import Copy
from tests.support.examples import examples
from tests.support.fake_sandbox import FolderRemote
from tests.unit.files.trees import EDITS, Edit, apply, picture, remove

CUTS = st.lists(st.integers(0, 4), max_size=5)


@pytest.fixture(autouse=True, scope="module")
def no_pauses() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(transfer, "PAUSE", 0.0)
    patch.setattr(carry, "PART", 60)
    yield
    patch.undo()


class Cutter:
    """Loses a request now and then: after so many that get through, the next is lost."""

    def __init__(self, gaps: list[int]) -> None:
        self._gaps = list(gaps)

    def __call__(self, moment: str) -> bool:
        if not self._gaps:
            return False
        if self._gaps[0] == 0:
            self._gaps.pop(0)
            return True
        self._gaps[0] -= 1
        return False


def keep_up(rounds: list[tuple[list[Edit], list[int]]], shell: tuple[str, ...] = ()) -> None:
    """Edit, copy over connections that break, and compare, round after round."""
    with tempfile.TemporaryDirectory() as place:
        here, there = Path(place) / "here", Path(place) / "there"
        here.mkdir()
        there.mkdir()
        sources = [CopySource(str(here))]
        try:
            for edits, gaps in rounds:
                apply(here, edits)
                remote = FolderRemote(cut=Cutter(gaps), shell=shell)
                asyncio.run(Copy(remote, str(there), sources, Memory(), "test").sync())
                assert picture(there) == picture(here)
                assert not asyncio.run(Copy(FolderRemote(), str(there), sources, Memory(), "test").compare())
        finally:
            remove(bytes(here))
            remove(bytes(there))


ROUNDS = st.lists(st.tuples(EDITS, CUTS), min_size=1, max_size=4)


@pytest.mark.time_limit(600)  # hundreds of shells, one after the other
@given(rounds=ROUNDS)
@examples(2)
def test_both_sides_are_the_same_in_the_end(rounds: list[tuple[list[Edit], list[int]]]) -> None:
    keep_up(rounds)


@pytest.fixture(scope="module")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """A shell and tools as the smallest images have them."""
    program = shutil.which("busybox")
    if program is None:
        pytest.skip("there is no busybox here")
    tools = tmp_path_factory.mktemp("busybox")
    subprocess.run([program, "--install", "-s", str(tools)], check=True)
    return "env", f"PATH={tools}"


@pytest.mark.time_limit(600)  # hundreds of shells, one after the other
@given(rounds=ROUNDS)
def test_the_smallest_of_images_will_do(busybox: tuple[str, ...], rounds: list[tuple[list[Edit], list[int]]]) -> None:
    keep_up(rounds, busybox)
