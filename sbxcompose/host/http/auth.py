"""Who may talk to the host: decided from a request's headers alone.

On the Unix socket the file's mode decides. On TCP any page in any browser of the machine can send requests to
a loopback port, so three things are asked for: the key, a Host header that names this host (else a name that
was re-pointed at 127.0.0.1 would do: DNS rebinding), and no Origin of a web page.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from msgspec import Struct

_LOOPBACK = re.compile(
    r"(?:localhost|(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]{1,3}){3}|0\.0\.0\.0|\[::1\])", re.IGNORECASE
)
_LABEL = re.compile(r"(?:([0-9]{1,5})-)?([^.\[\]:]+)\.local(?:host)?", re.IGNORECASE)

DAEMON_PORT = 9501
"""The port that stands for the sandbox's daemon, that is, for us (contract, section 1.1)."""


class Refusal(Struct, frozen=True):
    """Why a request is not let in: an HTTP status, the contract's kind of code, a sentence."""

    status: int
    code: str
    error: str


def refusal(
    headers: Mapping[str, str], key: str | None, own_port: int | None = None, *, daemon: bool = True
) -> Refusal | None:
    """Judge a request that came over TCP by its headers (names in lower case); None lets it in.

    `key` is the bearer key of the host; a host without one (None) accepts no request. `own_port` is its own port.
    `daemon`: the request is for a sandbox's daemon, which alone has names below `.local` (contract, section 1.4).
    """
    host = headers.get("host", "")
    if not is_local_host(host) and not (daemon and sandbox_label(host)):
        return _foreign(host)
    origin = headers.get("origin")
    if origin is not None and not (own_port and _is_own(origin, own_port)):
        return Refusal(403, "FORBIDDEN_ORIGIN", f"web pages may not use this host (Origin {origin[:100]!r})")
    if key is None or not has_key(headers.get("authorization", ""), key):
        return Refusal(401, "UNAUTHORIZED", "a valid key is needed: Authorization: Bearer KEY")
    return None


def _is_own(origin: str, port: int) -> bool:
    """Return whether an Origin is the host itself, which has no pages: some WebSocket libraries send the address that
    they connect to.
    """
    return origin in (f"http://127.0.0.1:{port}", f"http://localhost:{port}")


def has_key(authorization: str, key: str) -> bool:
    """Return whether an Authorization header carries the key; takes the same time however much of it is right."""
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), key.encode())


def is_local_host(host: str) -> bool:
    """Whether a Host header names this machine's loopback, as `0.0.0.0` does for who connects to it.

    Names below `.local` are other machines' (RFC 6762).
    """
    return bool(_LOOPBACK.fullmatch(without_port(host)))


def sandbox_label(host: str) -> str | None:
    """Return the sandbox that a Host header addresses: its first label, in the form `<id-or-name>.local` (or
    `.localhost`), with or without `<port>-` before it.
    """
    found = _LABEL.fullmatch(without_port(host))
    return found[2] if found else None


def user_port(headers: Mapping[str, str]) -> int | None:
    """Return the port in a sandbox that a request is for: `<port>-<id-or-name>.localhost`; None: for the daemon, or for
    the host itself (contract, section 1.4).
    """
    if headers.get("x-tensorlake-sandbox-id"):
        number = headers.get("x-tensorlake-sandbox-port", "")
        port = int(number) if number.isascii() and number.isdigit() and len(number) <= 5 else DAEMON_PORT
    else:
        found = _LABEL.fullmatch(without_port(headers.get("host", "")))
        port = int(found[1]) if found and found[1] else DAEMON_PORT
    return None if port == DAEMON_PORT else port


def user_port_refusal(headers: Mapping[str, str], key: str | None, *, public: bool) -> Refusal | None:
    """Judge a request over TCP for a user port, which is `public` or needs the key; None lets it in.

    Its pages are web pages, so that Origin says nothing; Host does, as for all else.
    """
    host = headers.get("host", "")
    known = key is not None and has_key(headers.get("authorization", ""), key)
    if not is_local_host(host) and not (known and sandbox_label(host)):
        return _foreign(host)
    if not public and not known:
        words = "this port needs a valid key (Authorization: Bearer KEY): unauthenticated access is not allowed"
        return Refusal(401, "UNAUTHORIZED", words)
    return None


def _foreign(host: str) -> Refusal:
    return Refusal(403, "FORBIDDEN_HOST", f"this host answers to loopback names only, not to {host[:100]!r}")


def without_port(host: str) -> str:
    """Return the name in a Host header, without `:8080`."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
