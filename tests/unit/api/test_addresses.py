"""Where requests go: a case for each row of the contract's tables 1.2 and 1.4, and where the key may go."""

from __future__ import annotations

import pytest

from sbxcompose.api.addresses import CLOUD, Site, control_plane, daemon_target, may_have_key, parse_site
from sbxcompose.errors import ConfigurationError
from tests.support.cases import each_case


def site(url: str) -> Site:
    return parse_site(url, "TEST_URL")


@each_case(
    "api,expected",
    [
        (CLOUD, "https://sandbox.tensorlake.ai/sandboxes"),
        ("https://api.eu.example.com", "https://sandbox.eu.example.com/sandboxes"),
        ("http://127.0.0.1:8900", "http://127.0.0.1:8900/v1/namespaces/team/sandboxes"),
        ("http://localhost:8900", "http://localhost:8900/v1/namespaces/team/sandboxes"),
        ("http://127.0.0.1:8900/some/prefix", "http://127.0.0.1:8900/some/prefix/v1/namespaces/team/sandboxes"),
        ("http://127.0.0.1:8900/", "http://127.0.0.1:8900/v1/namespaces/team/sandboxes"),
        ("http://api.localhost:8900", "http://sandbox.localhost:8900/sandboxes"),
        ("https://sandbox.tensorlake.ai", "https://sandbox.tensorlake.ai/sandboxes"),
    ],
)
def test_the_lifecycle_base_follows_from_the_api_url(api: str, expected: str) -> None:
    plane = control_plane(site(api), "team")
    assert f"{plane.site}{plane.path}/sandboxes" == expected


@each_case("api", ["http://127.0.0.2:1", "http://[::1]:1", "http://myhost:1", "https://my.host.example"])
def test_a_host_that_the_vendors_clients_do_not_know_is_asked_itself(api: str) -> None:
    assert str(control_plane(site(api), "default").site) == api


def test_a_lifecycle_url_of_its_own_is_flat_even_on_this_machine() -> None:
    plane = control_plane(site(CLOUD), "team", site("http://127.0.0.1:8900/x"))
    assert f"{plane.site}{plane.path}" == "http://127.0.0.1:8900/x"


@pytest.mark.parametrize("base", ["http://127.0.0.1:8900/p", "http://localhost:8900/p"])
def test_on_this_machine_a_sandbox_is_a_label_of_host_and_the_path_stays(base: str) -> None:
    target = daemon_target(site(base), "abc")
    assert (str(target.site), target.headers) == (base, {"Host": "abc.local"})


def test_elsewhere_a_sandbox_is_a_header_and_the_path_is_dropped() -> None:
    target = daemon_target(site("https://abc.sandbox.tensorlake.ai/p/q"), "abc")
    assert (str(target.site), target.headers) == (
        "https://abc.sandbox.tensorlake.ai",
        {"X-Tensorlake-Sandbox-Id": "abc"},
    )


@each_case(
    "url,named",
    [
        ("https://abc.sandbox.tensorlake.ai", CLOUD),
        ("https://sandbox.tensorlake.ai", CLOUD),
        ("https://tensorlake.ai", CLOUD),
        ("https://abc.proxy.example.com", "https://proxy.example.com"),
        ("http://127.0.0.1:9443", "http://localhost:8900"),
        ("http://10.0.0.1:9443", "http://10.0.0.1:8900"),
        ("https://box.example.com", "http://box.example.com"),
    ],
)
def test_the_key_goes_to_what_belongs_to_a_named_host(url: str, named: str) -> None:
    assert may_have_key(site(url), [site(named)])


@each_case(
    "url,named",
    [
        ("https://tensorlake.ai.evil.example", CLOUD),
        ("https://eviltensorlake.ai", CLOUD),
        ("http://sandbox.tensorlake.ai", CLOUD),
        ("http://127.0.0.1:8900", CLOUD),
        ("https://sandbox.tensorlake.ai", "http://127.0.0.1:8900"),
        ("https://other.example.com", "https://box.example.com"),
        ("https://other.com", "https://api.com"),
        ("https://1.10.0.0.1", "https://10.0.0.1"),
    ],
)
def test_the_key_goes_nowhere_else(url: str, named: str) -> None:
    assert not may_have_key(site(url), [site(named)])


@each_case(
    "url", ["", "api.example.com", "ftp://x", "https://", "http://x:99999", "https://a b", "https://u:secret@x/"]
)
def test_an_invalid_url_is_reported_with_the_name_of_its_variable(url: str) -> None:
    with pytest.raises(ConfigurationError, match="TEST_URL") as caught:
        site(url)
    assert "secret" not in str(caught.value)
