"""What some tests need of the machine and of who runs them; without it they are skipped, and say why."""

from __future__ import annotations

import os

import pytest

from sbxcompose.host.keeper import namespaces


def _hindrance() -> str:
    """Why no network namespace can be made; empty when one can."""
    try:
        os.close(namespaces.make())
    except OSError as error:
        return f"no network namespaces: {error.strerror}"
    return ""


needs_namespaces = pytest.mark.skipif(bool(_hindrance()), reason=_hindrance() or "there are network namespaces")
