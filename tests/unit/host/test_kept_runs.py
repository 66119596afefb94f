"""The runs that a log on disk still has, read beside its writer."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sbxcompose.host.logs.kept_runs import kept_runs
from sbxcompose.host.logs.segments import STDOUT
from sbxcompose.host.logs.store import LogStore


def write(log: LogStore, data: bytes, run: int) -> None:
    read, into = os.pipe()
    os.set_blocking(read, False)
    os.write(into, data)
    os.close(into)
    log.splice(STDOUT, read, run)
    os.close(read)


def test_they_are_those_that_the_log_itself_knows(tmp_path: Path) -> None:
    log = LogStore.open(tmp_path / "logs" / "web.1", limit=4096)
    assert dict(kept_runs(tmp_path / "logs")) in ({}, {"web.1": set()})
    for number in range(1, 60):
        run = log.begin_run(number)
        assert run == number
        write(log, b"x" * 300, run)
        if number % 7:
            log.end_run(run, 0, None, number)
        assert dict(kept_runs(tmp_path / "logs")) == {"web.1": {span.run for span in log.runs()}}
    assert len(log.runs()) < 59, "the limit has removed runs"


@given(st.lists(st.binary(max_size=80), max_size=3))
def test_what_is_damaged_is_left_out(contents: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "%40job.1"
        log.mkdir()
        for number, content in enumerate(contents):
            (log / f"{number:016x}.idx").write_bytes(content)
        assert [name for name, _ in kept_runs(Path(folder))] == ["@job.1"]
    assert list(kept_runs(Path(folder))) == []
