"""Who is let in over TCP."""

from __future__ import annotations

import pytest

from sbxcompose.host.auth import has_key, is_local_host, refusal, sandbox_label

GOOD = {"host": "127.0.0.1:8900", "authorization": "Bearer secret"}


def test_the_key_from_a_loopback_name_is_let_in() -> None:
    assert refusal(GOOD, "secret") is None


@pytest.mark.parametrize(
    "changes, status, code",
    [
        ({"authorization": "Bearer wrong"}, 401, "UNAUTHORIZED"),
        ({"authorization": ""}, 401, "UNAUTHORIZED"),
        ({"authorization": "Basic secret"}, 401, "UNAUTHORIZED"),
        ({"authorization": "secret"}, 401, "UNAUTHORIZED"),
        ({"authorization": "Bearer s\u00e9cret"}, 401, "UNAUTHORIZED"),
        ({"host": "evil.example"}, 403, "FORBIDDEN_HOST"),
        ({"host": "evil.example:8900"}, 403, "FORBIDDEN_HOST"),
        ({"host": "127.0.0.1.evil.example"}, 403, "FORBIDDEN_HOST"),
        ({"host": "localhost.evil.example"}, 403, "FORBIDDEN_HOST"),
        ({"host": "a.b.local"}, 403, "FORBIDDEN_HOST"),
        ({"host": ""}, 403, "FORBIDDEN_HOST"),
        ({"origin": "http://localhost:3000"}, 403, "FORBIDDEN_ORIGIN"),
        ({"origin": "null"}, 403, "FORBIDDEN_ORIGIN"),
    ],
)
def test_everybody_else_is_not(changes: dict[str, str], status: int, code: str) -> None:
    refused = refusal({**GOOD, **changes}, "secret")
    assert refused is not None
    assert (refused.status, refused.code) == (status, code)


def test_a_host_without_a_key_lets_nobody_in() -> None:
    refused = refusal({**GOOD, "authorization": "Bearer "}, None)
    assert refused is not None
    assert refused.status == 401


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.8.0.1:80",
        "[::1]:80",
        "[::1]",
        "x.localhost",
        "box.local",
    ],
)
def test_names_of_this_machine(host: str) -> None:
    assert is_local_host(host)


@pytest.mark.parametrize(
    "host, label",
    [
        ("box.local", "box"),
        ("box.local:8900", "box"),
        ("BOX.Local", "BOX"),
        ("localhost", None),
        ("127.0.0.1:80", None),
        (".local", None),
        ("a.b.local", None),
    ],
)
def test_the_label_addresses_a_sandbox(host: str, label: str | None) -> None:
    assert sandbox_label(host) == label


def test_the_scheme_is_bearer_in_any_case() -> None:
    assert has_key("bearer  secret ", "secret")
