"""Who is let in over TCP."""

from __future__ import annotations

from sbxcompose.host.http.auth import has_key, is_local_host, refusal, sandbox_label, user_port, user_port_refusal
from tests.support.cases import each_case

GOOD = {"host": "127.0.0.1:8900", "authorization": "Bearer secret"}


def test_the_key_from_a_loopback_name_is_let_in() -> None:
    assert refusal(GOOD, "secret") is None


@each_case(
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
def test_any_other_is_refused(changes: dict[str, str], status: int, code: str) -> None:
    refused = refusal({**GOOD, **changes}, "secret")
    assert refused is not None
    assert (refused.status, refused.code) == (status, code)


def test_a_host_without_a_key_refuses_every_client() -> None:
    refused = refusal({**GOOD, "authorization": "Bearer "}, None)
    assert refused is not None
    assert refused.status == 401


@each_case(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.8.0.1:80",
        "[::1]:80",
        "[::1]",
        "x.localhost",
    ],
)
def test_names_of_this_machine(host: str) -> None:
    assert is_local_host(host)


@each_case(
    "host, label",
    [
        ("box.local", "box"),
        ("box.local:8900", "box"),
        ("BOX.Local", "BOX"),
        ("box.localhost:8900", "box"),
        ("8080-box.local", "box"),
        ("8080-my-box.localhost:8900", "my-box"),
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


def test_the_hosts_own_address_is_not_a_web_page() -> None:
    own = {**GOOD, "origin": "http://127.0.0.1:8900"}
    assert refusal(own, "secret", 8900) is None
    assert refusal({**own, "origin": "http://localhost:8900"}, "secret", 8900) is None
    for origin in ("http://localhost:8901", "https://localhost:8900", "http://8080-box.localhost:8900", "null"):
        refused = refusal({**own, "origin": origin}, "secret", 8900)
        assert refused is not None, origin


@each_case(
    "headers, port",
    [
        ({"host": "8080-box.local"}, 8080),
        ({"host": "8080-my-box.localhost:8900"}, 8080),
        ({"host": "9501-box.localhost"}, None),
        ({"host": "box.local"}, None),
        ({"host": "localhost:8900"}, None),
        ({"host": "127.0.0.1:8080"}, None),
        ({"host": "8080-box.example.com"}, None),
        ({"host": "8080-box.local", "x-tensorlake-sandbox-id": "box"}, None),
        ({"host": "x", "x-tensorlake-sandbox-id": "box", "x-tensorlake-sandbox-port": "8080"}, 8080),
        ({"host": "x", "x-tensorlake-sandbox-id": "box", "x-tensorlake-sandbox-port": "9501"}, None),
        ({"host": "x", "x-tensorlake-sandbox-id": "box", "x-tensorlake-sandbox-port": "nonsense"}, None),
    ],
)
def test_which_requests_are_for_a_user_port(headers: dict[str, str], port: int | None) -> None:
    assert user_port(headers) == port


def test_a_user_port_needs_the_key_whatever_page_asks_unless_it_is_open() -> None:
    page = {"host": "8080-box.localhost:8900", "origin": "http://8080-box.localhost:8900"}
    good = {**page, "authorization": "Bearer secret"}
    assert user_port_refusal(good, "secret", public=False) is None
    assert user_port_refusal(page, "secret", public=True) is None
    for headers, key in ((page, "secret"), ({**page, "authorization": "Bearer wrong"}, "secret"), (good, None)):
        refused = user_port_refusal(headers, key, public=False)
        assert refused is not None
        assert refused.status == 401


def test_a_user_port_is_for_names_of_this_machine() -> None:
    refused = user_port_refusal({"host": "evil.example"}, "secret", public=True)
    assert refused is not None
    assert refused.status == 403


def test_a_name_below_local_is_for_a_sandboxs_daemon_only() -> None:
    """Multicast DNS lets any machine nearby have such a name, and point it at 127.0.0.1."""
    given = {"host": "box.local", "authorization": "Bearer secret"}
    assert refusal(given, "secret", daemon=True) is None
    refused = refusal(given, "secret", daemon=False)
    assert refused is not None
    assert (refused.status, refused.code) == (403, "FORBIDDEN_HOST")
    assert not is_local_host("box.local")


def test_a_name_below_local_reaches_a_user_port_only_with_the_key() -> None:
    page = {"host": "8080-box.local"}
    refused = user_port_refusal(page, "secret", public=True)
    assert refused is not None
    assert refused.code == "FORBIDDEN_HOST"
    assert user_port_refusal({**page, "authorization": "Bearer secret"}, "secret", public=False) is None
