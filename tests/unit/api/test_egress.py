"""What the environment says about the way out, and what of it cannot be used."""

from __future__ import annotations

import pytest

from sbxcompose.api.proxy_and_tls import check_ports, trusted, unusable_proxy
from sbxcompose.errors import ConfigurationError
from tests.support.cases import each_case


@each_case(
    "environ,words",
    [
        ({"ALL_PROXY": "socks5://me:secret@proxy:1080"}, "ALL_PROXY: `socks5://…@proxy:1080` cannot be used: SOCKS"),
        ({"http_proxy": "ftp://proxy"}, "http_proxy: `ftp://proxy` cannot be used: not a proxy address"),
        ({"HTTPS_PROXY": "http://proxy:port"}, "HTTPS_PROXY: `http://proxy:port` cannot be used"),
        ({"HTTPS_PROXY": "http://good:1", "ALL_PROXY": "ftp://bad"}, "ALL_PROXY: `ftp://bad` cannot be used"),
        ({"HTTPS_PROXY": "http://proxy:99999"}, "HTTPS_PROXY: `http://proxy:99999` cannot be used"),
        ({"HTTPS_PROXY": "good:1"}, "the proxies of the environment cannot be used: as it was said"),
    ],
)
def test_the_variable_that_is_wrong_is_named_and_no_password_shown(environ: dict[str, str], words: str) -> None:
    error = unusable_proxy(ValueError("as it was said"), environ)
    assert error.message.startswith(words)
    assert "secret" not in error.message
    assert error.hint is not None
    assert "NO_PROXY" in error.hint


def test_ports_are_looked_at_beforehand() -> None:
    check_ports({"HTTPS_PROXY": "proxy:65535", "http_proxy": "socks5h://proxy", "ALL_PROXY": ""})
    with pytest.raises(ValueError, match="no port has a number above 65535"):
        check_ports({"HTTPS_PROXY": "http://proxy:65536"})


def test_certificates_are_read_once_for_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert trusted() is trusted()


@each_case(
    "name, value, words",
    [
        ("SSL_CERT_FILE", "/no/such/file", "no such file or directory"),
        ("SSL_CERT_FILE", "/etc/passwd", "it contains no certificates"),
        ("SSL_CERT_FILE", "/", "is a directory"),
    ],
)
def test_certificates_that_cannot_be_used_are_named_with_the_remedy(name: str, value: str, words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        with pytest.raises(ConfigurationError) as caught:
            trusted()
    assert caught.value.message == f"{name}: `{value}` cannot be used: {words}"
    assert caught.value.hint == "set it to a file of certificates (PEM)"
