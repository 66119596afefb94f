"""What goes wrong on the way to a cloud, in words and with hints: refusals, keys, proxies, TLS and names.

`wire_errors` has what every client meets.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct

from sbxcompose.api.wire_errors import CUT_OFF, is_pending, read_refusal
from sbxcompose.clock import wall_time
from sbxcompose.errors import Refused, Unavailable, Unreachable

if TYPE_CHECKING:
    from sbxcompose.api.addresses import Site
    from sbxcompose.api.settings import Setting

Header = Callable[[str], str | None]
"""The value of a header, whose name is given in lower case."""
_UPSTREAM = frozenset(
    {"SANDBOX_UPSTREAM_ERROR", "SANDBOX_NOT_READY", "SANDBOX_UNREACHABLE", "AUTH_SERVICE_UNAVAILABLE"}
)


_LONGEST_LINE = 200
"""Characters of the first line of an answer that are shown."""


class RateLimited(Unavailable):
    """429: too many requests; nothing was done."""

    def __init__(self, message: str, *, retry_after: float | None) -> None:
        after = f" in {retry_after:g} s" if retry_after is not None else " later"
        super().__init__(message, hint=f"try again{after}", retry_after=retry_after)


class KeyRefused(Refused):
    """401 or 403: the key is not accepted."""


def place_unknown(sandbox: str, api: Site) -> Refused:
    """Return the error for a sandbox of which the cloud does not say where its daemon is."""
    from sbxcompose.api.settings import PROXY_URL

    return Refused(f"sandbox {sandbox}: {api} does not say where it is reached", status=0, hint=f"set {PROXY_URL}")


def place_not_trusted(sandbox: str, told: Site, api: Site, api_url: str) -> Refused:
    """Return the error for a daemon at a place that the user has not named: the key would go there."""
    from sbxcompose.api.settings import API_URL, PROXY_URL

    return Refused(
        f"sandbox {sandbox} is said to be at {told}, which does not belong to {api}: the key is not sent there",
        status=0,
        hint=f"if you trust that place, name it in {PROXY_URL}; {API_URL} is {api_url}",
    )


def create_refused(sandbox: str, name: str, api: Site, error: Refused) -> Refused:
    """Return the error for a sandbox that the cloud does not create, with what can be done about it."""
    from sbxcompose.api.settings import API_URL

    hints = {
        402: "check the plan, and what is owed, of the account that the key belongs to",
        404: f"check {API_URL}; a `snapshot` may also be missing there",
        409: "a sandbox that this key does not show has the name; choose another name for the project (`-p NAME`)",
        422: f"check what the file asks for in sandbox {sandbox}: `image`, `resources`, `timeout`",
    }
    words = error.message.removeprefix(f"sandbox {name}: ")
    message = f"{api} did not create sandbox {sandbox} ({name}): {words}"
    hint = error.hint or hints.get(error.status)
    return Refused(message, status=error.status, code=error.code, hint=hint)


class CloudRefusals(Struct, frozen=True):
    """What refusals of one site mean; `key` is what was sent to it."""

    site: Site
    key: Setting | None

    def judge(self, status: int, header: Header, body: bytes, what: str) -> None:
        """Raise what a refusal means for every request; return where that depends on the request."""
        words, code, _ = read_refusal(body)
        said = words or f"HTTP {status}"
        if 300 <= status < 400:
            self._redirected(status, header("location") or "elsewhere")
        after = seconds_of(header("retry-after"), wall_time())
        if status == 429:
            raise RateLimited(f"{self.site}: too many requests: {said}", retry_after=after)
        if status == 401 or (status == 403 and code in (None, "FORBIDDEN", "UNAUTHORIZED")):
            words = f"{self.site} does not accept the key: {said}"
            raise KeyRefused(words, status=status, code=code, hint=self._key_hint())
        busy = status in (502, 503, 504) or code in _UPSTREAM or (status == 500 and not _is_told(body))
        if busy and not is_pending(body):
            hint = "the server has failed; try again later" if status == 500 else "the service is not ready; try again"
            raise Unavailable(f"{self.site}: {what}: {_answered(status, body)}", hint=hint, retry_after=after)

    def judge_socket(self, status: int, header: Header, body: bytes, what: str) -> None:
        """As `judge`; but a 502 means that nothing listens on the port that a tunnel is for (contract, section 6)."""
        if status != 502:
            self.judge(status, header, body, what)

    def _redirected(self, status: int, place: str) -> NoReturn:
        raise Refused(
            f"{self.site} redirects to {place}; refusing to follow it: that would send the API key there",
            status=status,
            hint="if that is the right address, set the variable of this URL to it",
        )

    def _key_hint(self) -> str:
        if self.key is None:
            return "set TENSORLAKE_API_KEY"
        return f"the key comes from {self.key.source}; `sbxcompose doctor` says what is configured"


def _answered(status: int, body: bytes) -> str:
    """Return the words of an answer; of one that is not JSON its status and first line, unless that is HTML."""
    words, _, _ = read_refusal(body)
    try:
        is_json = isinstance(json.loads(body), dict)
    except ValueError:
        is_json = False
    if is_json and words:
        return words
    line = next(filter(None, map(str.strip, words.splitlines())), "")[:_LONGEST_LINE]
    return f"HTTP {status}: {line}" if line and not line.startswith("<") else f"HTTP {status}"


def _is_told(body: bytes) -> bool:
    """Return whether the daemon itself has answered, in words of its own: a 500 of what stands before it has none."""
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and "error" in value


def seconds_of(text: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` asks for; its other form is a date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    from email.utils import parsedate_to_datetime  # late: servers of this contract send seconds

    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except ValueError:
        return None


def site_unreachable(site: Site, error: BaseException) -> Unreachable:
    """Return the error for a request to a cloud that got no answer, with what to do about it."""
    words, hint = explain(error, site)
    return Unreachable(f"{site} does not answer: {words}", hint=hint, broke=_is_cut_off(error))


def _is_cut_off(error: BaseException) -> bool:
    """Return whether the other side has ended a connection that was there; httpx has a tree of its own for that."""
    import httpx  # what has failed here has been sent by it, or is of no cost any more

    return isinstance(error, (*CUT_OFF, httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError))


def explain(error: BaseException, site: Site) -> tuple[str, str]:
    """Words for a failure to reach `site`, and what to do about it."""
    # Imported late: they are for clouds.
    import socket
    import ssl

    from sbxcompose.api.settings import PROXIES

    causes = list(_causes(error))
    names = {type(cause).__name__ for cause in causes}
    asked = next((name for name in PROXIES if os.environ.get(name)), None)
    proxy = f"; {asked} is set: check that it is right and that the proxy is running" if asked else ""
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return f"the name `{site.host}` cannot be resolved", f"check the URL and the network{proxy}"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({getattr(cause, 'verify_message', cause)})",
                "behind a proxy with its own certificate, set SSL_CERT_FILE to a PEM file that contains it",
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"no TLS connection ({getattr(cause, 'reason', None) or cause})",
                "check that it is https and the right port",
            )
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused", f"check the URL, and that the server is running{proxy}"
    if "ProxyError" in names:
        return f"the proxy refuses: {error}", "HTTPS_PROXY, ALL_PROXY and NO_PROXY say which proxy is used"
    if any("Timeout" in name for name in names):
        return f"no answer in time ({type(error).__name__})", "try again; check for a firewall or a proxy on the way"
    return str(error) or type(error).__name__, "check the network connection and try again"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that led to it; of a group, all its members."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        cause = waiting.pop()
        if cause is None or any(cause is known for known in seen):
            continue
        seen.append(cause)
        yield cause
        waiting += [cause.__cause__, cause.__context__]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions
