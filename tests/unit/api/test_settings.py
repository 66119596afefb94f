"""The variables of the vendor's clients, as we read them."""

from __future__ import annotations

import pytest

from sbxcompose.api.settings import Setting, masked, read_settings
from sbxcompose.errors import ConfigurationError
from tests.support.cases import each_case


def test_without_variables_it_is_the_vendors_cloud_and_no_key() -> None:
    settings = read_settings({})
    assert settings.api_url == Setting("https://api.tensorlake.ai", "default")
    assert settings.namespace.value == "default"
    assert settings.key is None
    assert settings.headers() == {}


def test_every_variable_is_read_and_its_source_kept() -> None:
    settings = read_settings(
        {
            "TENSORLAKE_API_URL": "http://127.0.0.1:1",
            "TENSORLAKE_API_KEY": "k",
            "INDEXIFY_NAMESPACE": "team",
            "TENSORLAKE_SANDBOX_PROXY_URL": "http://127.0.0.1:2",
            "TENSORLAKE_SANDBOX_API_URL": "http://127.0.0.1:3",
            "TENSORLAKE_ORGANIZATION_ID": "o",
            "TENSORLAKE_PROJECT_ID": "p",
        }
    )
    assert settings.key == Setting("k", "TENSORLAKE_API_KEY")
    assert str(settings.proxy) == "http://127.0.0.1:2"
    assert str(settings.lifecycle.site) == "http://127.0.0.1:3"
    assert settings.headers() == {"X-Forwarded-Organization-Id": "o", "X-Forwarded-Project-Id": "p"}
    assert [str(item) for item in settings.named] == [
        "http://127.0.0.1:1",
        "http://127.0.0.1:2",
        "http://127.0.0.1:3",
    ]


def test_a_key_beats_a_personal_token_and_an_empty_variable_is_none() -> None:
    both = {"TENSORLAKE_API_KEY": "k", "TENSORLAKE_PAT": "t"}
    assert read_settings(both).key == Setting("k", "TENSORLAKE_API_KEY")
    assert read_settings({**both, "TENSORLAKE_API_KEY": " "}).key == Setting("t", "TENSORLAKE_PAT")


def test_half_a_scope_is_not_sent() -> None:
    assert read_settings({"TENSORLAKE_PROJECT_ID": "p"}).headers() == {}


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="TENSORLAKE_API_KEY") as caught:
        read_settings({"TENSORLAKE_API_KEY": "geheim\nX-Evil: 1"})
    assert "geheim" not in str(caught.value)


def test_a_key_is_shown_by_its_end_at_most() -> None:
    assert masked("tl_0123456789abcdef") == "…cdef"
    assert masked("short") == "…"


def test_the_network_timeout_is_45_seconds_unless_it_is_set() -> None:
    assert read_settings({}).silence == 45.0
    assert read_settings({"SBXCOMPOSE_NETWORK_TIMEOUT": "90.5"}).silence == 90.5


@each_case("value", ["soon", "0", "-1", "inf", "nan", "90s"])
def test_a_network_timeout_that_is_not_a_number_of_seconds_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SBXCOMPOSE_NETWORK_TIMEOUT: invalid timeout `{value}`"):
        _ = read_settings({"SBXCOMPOSE_NETWORK_TIMEOUT": value}).silence
