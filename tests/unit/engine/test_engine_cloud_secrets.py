from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from sbxcompose.engine.cloud_secrets import FOLDER, MOST, forget, recall, remember


def test_what_was_remembered_is_found_for_its_sandbox_only(tmp_path: Path) -> None:
    environ = {"SBXCOMPOSE_STATE_DIR": str(tmp_path / "state")}
    assert recall("one", environ) == set()
    assert not (tmp_path / "state").exists(), "looking makes nothing"
    remember("one", ["a-secret", "b-secret", ""], environ)
    remember("one", ["b-secret", "c\udcff"], environ)
    remember("two/../one", ["other"], environ)
    assert recall("one", environ) == {"a-secret", "b-secret", "c\udcff"}
    assert recall("two/../one", environ) == {"other"}
    forget("one", environ)
    forget("one", environ)
    assert recall("one", environ) == set()


def test_what_cannot_be_read_or_written_is_not_a_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environ = {"SBXCOMPOSE_STATE_DIR": str(tmp_path / "file")}
    remember("one", ["secret"], environ)
    assert recall("one", environ) == set()
    environ = {"SBXCOMPOSE_STATE_DIR": str(tmp_path / "state")}
    remember("one", ["secret"], environ)
    path = tmp_path / "state" / FOLDER / "one.jsonl"
    path.write_text(path.read_text() + '{"no": list}\nnull\n[1, "two"]\n')
    assert recall("one", environ) == {"secret", "two"}


def test_a_file_does_not_grow_forever(tmp_path: Path) -> None:
    environ = {"SBXCOMPOSE_STATE_DIR": str(tmp_path / "state")}
    for number in range(40):
        remember("one", [f"{number}" * 8192], environ)
    assert (tmp_path / "state" / FOLDER / "one.jsonl").stat().st_size < MOST + 20_000
    assert "39" * 8192 in recall("one", environ)


def test_a_command_that_ends_while_it_shortens_the_file_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"SBXCOMPOSE_STATE_DIR": str(tmp_path / "state")}
    number, path = 0, tmp_path / "state" / FOLDER / "one.jsonl"
    while not number or path.stat().st_size < MOST - 8192:
        remember("one", [f"{number}" * 4096], environ)
        number += 1
    before = recall("one", environ)

    def ends(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch, suppress(SystemExit):
        patch.setattr(os, "rename", ends)
        remember("one", ["new" * 8192], environ)
    assert recall("one", environ) == before | {"new" * 8192}
