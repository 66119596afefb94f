"""Which headers go through to a user port and back."""

from __future__ import annotations

from sbxcompose.host.http.reverse_proxy import passed_on


def test_what_belongs_to_one_connection_stays_there() -> None:
    headers = [
        (b"host", b"8080-box.localhost:8900"),
        (b"connection", b"keep-alive, X-Mine"),
        (b"x-mine", b"1"),
        (b"keep-alive", b"timeout=5"),
        (b"upgrade", b"h2c"),
        (b"te", b"trailers"),
        (b"expect", b"100-continue"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
    ]
    assert passed_on(headers) == [headers[0], *headers[-2:]]


def test_what_is_not_the_ports_business_is_left_out() -> None:
    assert passed_on([(b"authorization", b"Bearer k"), (b"accept", b"*/*")], without=[b"authorization"]) == [
        (b"accept", b"*/*")
    ]
