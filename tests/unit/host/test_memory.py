"""Memory that is given back to the system."""

from __future__ import annotations

import gc
import weakref

from sbxcompose.host.base import memory


class Piece:
    """What a request that was broken off still holds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_only_a_cycle_holds_is_given_back_too() -> None:
    gc.disable()
    try:
        held = weakref.ref(Piece())
        assert held() is not None
        memory.give_back()
        assert held() is None
    finally:
        gc.enable()
