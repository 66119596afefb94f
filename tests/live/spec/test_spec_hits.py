"""What a project from the cache costs: the packages that read a file are not loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.spec.test_spec_cache import Folder


def test_a_hit_imports_neither_yaml_nor_pydantic(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    code = (
        "import sys\n"
        "from sbxcompose.spec.open import LoadRequest, open_project\n"
        f"open_project(LoadRequest({str(folder.project)!r}, environ={folder.environ!r}))\n"
        "print(sorted({'yaml', 'pydantic', 'difflib', 'pickle', 'hashlib', 'json'} & sys.modules.keys()))\n"
    )
    folder.open()
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
