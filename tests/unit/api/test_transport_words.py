"""Failures of connections and addresses, as people are told them."""

from __future__ import annotations

import errno
import socket
import ssl

import h11

from sbxcompose.api.transport import HostAddress
from sbxcompose.api.wire import authority
from sbxcompose.api.wire_errors import failure_words
from tests.support.cases import each_case


@each_case(
    "error,words",
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "[SSL: WRONG_VERSION_NUMBER]"),
        (TimeoutError(), "it takes too long"),
        (EOFError("the connection was closed before an answer came"), "the connection was closed before an answer"),
        (
            h11.RemoteProtocolError("peer closed connection without sending complete message body"),
            "the connection was closed in the middle of an answer",
        ),
        (h11.RemoteProtocolError("illegal status line"), "illegal status line"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_failure_of_a_connection_is_worded_without_jargon(error: Exception, words: str) -> None:
    assert failure_words(error).startswith(words)
    assert "Connect call" not in failure_words(error)


def test_ipv6_addresses_are_written_as_in_a_url() -> None:
    assert authority("::1", 80) == "[::1]:80"
    assert str(HostAddress(host="::1", port=8900)) == "http://[::1]:8900"
    assert str(HostAddress(host="127.0.0.1", port=8900, prefix="/x")) == "http://127.0.0.1:8900/x"
    assert str(HostAddress(path="/run/host.sock")) == "/run/host.sock"
