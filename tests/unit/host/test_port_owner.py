"""How /proc/net/tcp is read, and how addresses are written there."""

from __future__ import annotations

import sys

import pytest

from sbxcompose.linux.listeners import MAX_OTHERS, as_the_kernel_writes, listening_among


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


def sockets(state: str, count: int, first_port: int) -> list[list[str]]:
    """Rows of /proc/net/tcp."""
    return [
        ["0:", f"0100007F:{first_port + number:04X}", "00000000:0000", state, "", "", "", "", "", str(number)]
        for number in range(count)
    ]


def test_thousands_of_connections_after_those_that_listen_are_not_read() -> None:
    rows = iter([*sockets("0A", 3, 80), *sockets("06", 30_000, 1000)])
    assert list(listening_among(rows)) == [("0100007F", 80 + number, str(number)) for number in range(3)]
    assert sum(1 for _ in rows) >= 30_000 - MAX_OTHERS - 1


def test_among_fewer_connections_those_that_listen_are_found_anywhere() -> None:
    rows = [*sockets("01", MAX_OTHERS, 1000), *sockets("0A", 1, 80), *sockets("01", MAX_OTHERS, 1000)]
    assert [port for _, port, _ in listening_among([*rows, *sockets("0A", 1, 81)])] == [80, 81]
