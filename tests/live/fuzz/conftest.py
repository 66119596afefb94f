"""The fuzzer is made before the first test, whose time limit it would use up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import programs


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make it if any test needs it; where it cannot be had, the tests say so."""
    here = Path(__file__).parent
    if not session.config.option.collectonly and any(here in item.path.parents for item in session.items):
        programs.missing("fuzzer")
