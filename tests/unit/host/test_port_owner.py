"""How addresses are written in /proc/net/tcp."""

from __future__ import annotations

import sys

import pytest

from sbxcompose.linux.listeners import as_the_kernel_writes


@pytest.mark.skipif(sys.byteorder != "little", reason="the words are written in the machine's order")
@pytest.mark.parametrize(
    "host, words",
    [
        ("127.0.0.1", {"0100007F", "0000000000000000FFFF00000100007F"}),
        ("::1", {"00000000000000000000000001000000"}),
    ],
)
def test_an_address_as_the_kernel_writes_it(host: str, words: set[str]) -> None:
    assert as_the_kernel_writes(host) == words
