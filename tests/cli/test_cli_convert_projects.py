"""`convert` on files of well-known public projects, typed anew: the result, and what the report says of each key.

Each folder in `tests/data/convert` holds a project, and beside it what the command writes: `converted.yaml` and
`report.txt`. After a wanted change `UPDATE_SNAPSHOTS=1 python -m pytest tests/cli/test_cli_convert_projects.py` writes
them anew: read the difference.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.command import Sbx

PROJECTS = Path(__file__).parents[1] / "data" / "convert"
FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "Procfile", "Procfile.dev", "process-compose.yaml",
         "process-compose.yml")  # fmt: skip
ENV_FILES = {"mastodon": ".env.production", "paperless": "docker-compose.env"}


def source_of(name: str) -> str:
    """The file of a project that is converted."""
    [found] = [file for file in FILES if (PROJECTS / name / file).is_file()]
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in PROJECTS.iterdir()))
def test_the_file_and_the_report_are_as_reviewed(dry: Sbx, name: str) -> None:
    shutil.copytree(PROJECTS / name, dry.project, dirs_exist_ok=True)
    done = dry.run("convert", source_of(name))
    for file, text in (("converted.yaml", done.stdout), ("report.txt", done.stderr)):
        if "UPDATE_SNAPSHOTS" in os.environ:
            (PROJECTS / name / file).write_text(text)
        assert text == (PROJECTS / name / file).read_text(), file


@pytest.mark.parametrize("name", sorted(path.name for path in PROJECTS.iterdir()))
def test_the_file_is_accepted(dry: Sbx, name: str) -> None:
    dry.write((PROJECTS / name / "converted.yaml").read_text())
    if name in ENV_FILES:
        assert f"`{ENV_FILES[name]}` does not exist" in dry.run("config", "-q", code=2).stderr
        dry.write("", ENV_FILES[name])
    dry.run("config", "-q")
