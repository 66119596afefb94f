"""Where requests to a cloud go, from what the user has named (contract, sections 1.2 to 1.4); pure.

The vendor's clients quietly go to the vendor's cloud, with the caller's key, when they do not know a host's name.
This one goes where it was told to, and takes the key to no other site than that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from sbxcompose.api.wire import segment
from sbxcompose.errors import ConfigurationError

CLOUD = "https://api.tensorlake.ai"
"""The vendor's own; used when no API URL is given."""

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#\s]*)?",
    re.IGNORECASE,
)


class Site(Struct, frozen=True):
    """Scheme, host, port and path prefix of a URL. `host` is in lower case, `prefix` without a slash at its end."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def loopback(self) -> bool:
        """Whether it is this machine by name: 127.0.0.0/8, `[::1]`, `localhost` and what ends in it."""
        return is_loopback(self.host)

    @property
    def origin(self) -> str:
        """`https://host`, with the port unless it is the scheme's own."""
        usual = {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port != usual else "")

    def __str__(self) -> str:
        return self.origin + self.prefix


class RequestTarget(Struct, frozen=True):
    """Where to send requests, and the header that says which sandbox is meant."""

    site: Site
    headers: dict[str, str]


class ControlPlane(Struct, frozen=True):
    """Where sandboxes are created and found: a site, and the path that stands before `/sandboxes`."""

    site: Site
    path: str


def parse_site(url: str, named: str) -> Site:
    """`url` in parts; `named` says where it comes from. Raises `ConfigurationError`."""
    text = url.strip()
    found = _URL.fullmatch(text)
    port = int(found["port"] or 0) if found else 0
    if found is None or port > 65535:
        shown = re.sub(r"//[^/@]*@", "//…@", text)[:200]
        raise ConfigurationError(
            f"{named}: `{shown}` is not a server address", hint="example: `https://api.example.com`"
        )
    scheme = found["scheme"].lower()
    return Site(scheme, found["host"].lower(), port or (443 if scheme == "https" else 80), _prefix(found["path"]))


def _prefix(path: str | None) -> str:
    return re.sub("/+", "/", path or "").rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether a host's name is this machine's own."""
    return bool(re.fullmatch(r"127(\.[0-9]{1,3}){3}|\[::1\]|(.*\.)?localhost", host))


def control_plane(api: Site, namespace: str, override: Site | None = None) -> ControlPlane:
    """Where lifecycle requests go (contract, section 1.2).

    `api.<rest>` means `sandbox.<rest>` with flat paths; `override` (TENSORLAKE_SANDBOX_API_URL) is flat, too. Any other
    host is asked itself, with the namespace in the path: never the vendor's cloud instead of it.
    """
    if override is not None:
        return ControlPlane(override, "")
    first, _, rest = api.host.partition(".")
    if first == "api" and rest:
        return ControlPlane(Site(api.scheme, f"sandbox.{rest}", api.port, api.prefix), "")
    if first == "sandbox" and rest:
        return ControlPlane(api, "")
    return ControlPlane(api, f"/v1/namespaces/{segment(namespace)}")


def daemon_target(base: Site, identifier: str) -> RequestTarget:
    """Return how one sandbox's daemon is addressed below a proxy's URL (contract, section 1.4).

    On a loopback name by the first label of Host, the base's path kept; elsewhere by a header, the path dropped.
    """
    if base.loopback:
        return RequestTarget(base, {"Host": f"{identifier}.local"})
    return RequestTarget(Site(base.scheme, base.host, base.port), {"X-Tensorlake-Sandbox-Id": identifier})


def may_have_key(site: Site, named: Iterable[Site]) -> bool:
    """Return whether the key may go to `site`, when the user has named the sites `named`.

    It may go to a named host and to hosts below it; where the named one is `api.<rest>` or `sandbox.<rest>`, to all of
    `<rest>` (of two labels at least). Loopback names go together. Never from https to plain http.
    """
    return any(_belongs(site, name) for name in named)


def _belongs(site: Site, named: Site) -> bool:
    if site.loopback or named.loopback:
        return site.loopback and named.loopback
    if named.scheme == "https" and site.scheme != "https":
        return False
    home = _home(named.host)
    return site.host == named.host or (not _is_number(home) and site.host.endswith(f".{home}")) or site.host == home


def _home(host: str) -> str:
    first, _, rest = host.partition(".")
    return rest if first in ("api", "sandbox") and "." in rest else host


def _is_number(host: str) -> bool:
    return host.startswith("[") or bool(re.fullmatch(r"[0-9.]+", host))
