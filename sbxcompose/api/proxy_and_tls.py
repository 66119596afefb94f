"""What the environment says about the way out of this machine: which certificates to trust, and through which proxy.

What cannot be used is said with the name of its variable. Imported, as httpx is, only on the way to a cloud.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from functools import lru_cache

import httpx

from sbxcompose.api.settings import PROXIES
from sbxcompose.api.wire_errors import failure_words
from sbxcompose.errors import ConfigurationError

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables that say which certificates are trusted instead of the usual ones; the first that is set counts."""
MAX_PORT = 65535
_USUAL = ("certifi", "cacert.pem")
_ALL_PROXIES = (*PROXIES, "HTTP_PROXY", "http_proxy")
_SCHEMES = ("http", "https")


def trusted() -> ssl.SSLContext:
    """Return what connections to a cloud trust, requests and WebSockets alike. Raises `ConfigurationError`."""
    return _trusted(tuple(os.environ.get(name) for name in CERTIFICATES))


@lru_cache(maxsize=4)
def _trusted(chosen: tuple[str | None, ...]) -> ssl.SSLContext:
    """To read some hundred certificates takes as long as a request; `chosen` is what the environment says."""
    name, value = next(((name, value) for name, value in zip(CERTIFICATES, chosen, strict=True) if value), _USUAL)
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # what ssl raises is one, too
        no_certificates = isinstance(error, ssl.SSLError)
        words = "it contains no certificates" if no_certificates else failure_words(error)
        raise ConfigurationError(
            f"{name}: `{value}` cannot be used: {words}", hint="set it to a file of certificates (PEM)"
        ) from error


def unusable_proxy(error: Exception, environ: Mapping[str, str]) -> ConfigurationError:
    """Return what is wrong with the proxies of the environment, when the client could not be made for them."""
    found = next(((name, value) for name in _ALL_PROXIES if (value := environ.get(name)) and not _usable(value)), None)
    if found is None:
        return ConfigurationError(f"the proxies of the environment cannot be used: {error}", hint=_HINT)
    name, value = found
    shown = re.sub(r"//[^/@]*@", "//…@", value)
    words = "SOCKS proxies are not supported" if value.lower().startswith("socks") else "not a proxy address"
    return ConfigurationError(f"{name}: `{shown}` cannot be used: {words}", hint=_HINT)


_HINT = "name an HTTP proxy (`http://host:port`), or unset the variable; NO_PROXY names hosts that need none"


def check_ports(environ: Mapping[str, str]) -> None:
    """Raise `ValueError` for a proxy's port that there cannot be; the client would notice only as it connects."""
    for value in (environ.get(name) for name in _ALL_PROXIES):
        if value and (_url(value).port or 0) > MAX_PORT:
            raise ValueError(f"no port has a number above {MAX_PORT}")


def _usable(value: str) -> bool:
    try:
        url = _url(value)
    except httpx.InvalidURL:
        return False
    return url.scheme in _SCHEMES and (url.port or 0) <= MAX_PORT


def _url(value: str) -> httpx.URL:
    """Return a proxy as the client reads it: without a scheme it is an HTTP one."""
    return httpx.URL(value if "://" in value else f"http://{value}")
