"""What the server's garbage collections need not visit."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
from collections.abc import Coroutine

import pytest

from sbxcompose.host import server


def test_a_collection_of_the_server_does_not_visit_its_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []

    def run(serving: Coroutine[object, object, None]) -> None:
        serving.close()
        left.append(len(gc.get_objects()))

    before = len(gc.get_objects())
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "run", run)
        for module, name in ((signal, "signal"), (resource, "setrlimit"), (os, "_exit")):
            patched.setattr(module, name, lambda *_: None)
        try:
            server.main()
        finally:
            gc.unfreeze()
    assert left[0] < before / 10
