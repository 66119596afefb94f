"""Turn the wire's errors into those of `errors`, in one place: broken connections, and refusals (contract, section 7).

Whatever the client (h11 on the local socket, httpx to a cloud, a WebSocket), here its failures get words and hints.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import h11
from msgspec import Struct

from sbxcompose.api.wire import Answer
from sbxcompose.errors import Conflict, NotFound, Refused, Unavailable, Unreachable

if TYPE_CHECKING:
    from sbxcompose.api.addresses import Site
    from sbxcompose.api.settings import Setting

BROKEN = (OSError, EOFError, h11.RemoteProtocolError)
"""What a broken connection raises where h11 is the protocol; httpx has a tree of its own."""
Header = Callable[[str], str | None]
"""The value of a header, whose name is given in lower case."""
_UPSTREAM = frozenset(
    {"SANDBOX_UPSTREAM_ERROR", "SANDBOX_NOT_READY", "SANDBOX_UNREACHABLE", "AUTH_SERVICE_UNAVAILABLE"}
)


class RateLimited(Unavailable):
    """429: too many requests; nothing was done."""

    def __init__(self, message: str, *, retry_after: float | None) -> None:
        after = f" in {retry_after:g} s" if retry_after is not None else " later"
        super().__init__(message, hint=f"try again{after}", retry_after=retry_after)


class KeyRefused(Refused):
    """401 or 403: the key is not accepted."""


# -- answers -----------------------------------------------------------------------------------------------


def expect(answer: Answer, what: str) -> Any:
    """Return the decoded body of a good answer (2xx). Raises `NotFound`, `Conflict` or `Refused` naming `what`."""
    if 200 <= answer.status < 300:
        try:
            return answer.json()
        except ValueError as error:
            raise Refused(f"{what}: the provider's answer is not JSON", status=answer.status) from error
    raise refusal(answer.status, answer.body, what)


def refusal(status: int, body: bytes, what: str) -> Refused:
    """Return the error for an answer that is not good: the provider's own words, where it gave any."""
    words, code, hint = words_of(body)
    message = f"{what}: {words or f'HTTP {status}'}"
    match status:
        case 404:
            return NotFound(message, status=status, code=code, hint=hint)
        case 409:
            return Conflict(message, status=status, code=code, hint=hint, live=_live(body))
        case 401 | 403:
            return Refused(message, status=status, code=code, hint=hint or "check the key")
        case _:
            return Refused(message, status=status, code=code, hint=hint)


def check_media(found: str | None, media: str, what: str) -> None:
    """Refuse an answer of another media type (contract, section 3.7): that of a proxy's own page, for example."""
    kind = (found or "").partition(";")[0].strip().lower()
    if kind != media:
        raise Refused(f"{what}: the answer is {kind or 'of no media type'}, not {media}", status=200)


def not_an_object(what: str, hint: str | None) -> Refused:
    """Return the error for a good answer that is not the JSON object that was expected."""
    return Refused(f"{what}: the answer is not a JSON object", status=200, hint=hint)


def lacks(what: str, field: str, status: int) -> Refused:
    """Return the error for a good answer without a field that cannot be done without."""
    return Refused(f"{what}: the provider's answer names no `{field}`", status=status)


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


def snapshot_failed(number: str, sandbox: str, why: str) -> Refused:
    """Return the error for a snapshot that was begun and failed."""
    return Refused(f"snapshot {number} of {sandbox}: {why}", status=200)


def not_running(sandbox: str) -> Refused:
    """Return the error for a sandbox that is not there to be connected to, or sleeps and is not to be woken."""
    return Refused(f"sandbox {sandbox} is not running", status=0)


def tunnel_lost(sandbox: str) -> Unreachable:
    """Return the error for a tunnel that was closed while it was waiting for a connection."""
    return Unreachable(f"the connection to sandbox {sandbox} is lost")


def nothing_listens(port: int) -> Refused:
    """Return the error for a port of this machine that takes no connections."""
    return Refused(f"nothing listens on port {port} of the sandbox", status=0)


def log_unreadable(path: str, error: OSError) -> Refused:
    """Return the error for a log file of the host on this machine that cannot be read."""
    return Refused(f"the log {path} cannot be read: {error.strerror}", status=0)


def _live(body: bytes) -> bool | None:
    """Return whether what is in the way is live; only our own host says so."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    live = value.get("live") if isinstance(value, dict) else None
    return live if isinstance(live, bool) else None


def words_of(body: bytes) -> tuple[str, str | None, str | None]:
    """Read a refusal: a sentence (empty if there is none), a code, a hint (contract, sections 7.1 and 2.5)."""
    text = body.decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except ValueError:
        return text[:500], None, None
    if not isinstance(value, dict):
        return text[:500], None, None
    words = value.get("error") or value.get("message") or _reason(value) or text[:500]
    return str(words), value.get("code"), value.get("hint")


def _reason(value: dict[str, Any]) -> str:
    """Why a sandbox could not be made, from the short form that says so."""
    parts = [value.get(key) for key in ("reason", "termination_reason", "error_details")]
    return ": ".join(str(part) for part in parts if part)


def is_pending(body: bytes) -> bool:
    """Return whether a refusal carries the short form of a sandbox that is still being made (contract, section 2.5)."""
    try:
        value = json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and "sandbox_id" in value and value.get("status") in ("pending", "timeout")


class CloudRefusals(Struct, frozen=True):
    """What refusals of one site mean; `key` is what was sent to it."""

    site: Site
    key: Setting | None

    def judge(self, status: int, header: Header, body: bytes, what: str) -> None:
        """Raise what a refusal means for every request; return where that depends on the request."""
        words, code, _ = words_of(body)
        said = words or f"HTTP {status}"
        if 300 <= status < 400:
            self._redirected(status, header("location") or "elsewhere")
        after = seconds_of(header("retry-after"), time.time())
        if status == 429:
            raise RateLimited(f"{self.site}: too many requests: {said}", retry_after=after)
        if status == 401 or (status == 403 and code in (None, "FORBIDDEN", "UNAUTHORIZED")):
            words = f"{self.site} does not accept the key: {said}"
            raise KeyRefused(words, status=status, code=code, hint=self._key_hint())
        busy = status in (502, 503, 504) or code in _UPSTREAM or (status == 500 and not _is_told(body))
        if busy and not is_pending(body):
            hint = "the service is not ready; try again"
            raise Unavailable(f"{self.site}: {what}: {said}", hint=hint, retry_after=after)

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


# -- connections -------------------------------------------------------------------------------------------


def unreachable(place: object, error: BaseException, hint: str | None) -> Unreachable:
    """Return the error for a connection to `place` that could not be made, or broke."""
    return Unreachable(f"{place} does not answer: {failure_words(error)}", hint=hint)


def closed_by_host(when: str = "") -> Unreachable:
    """Return the error for a connection that the host has closed without an error of its own."""
    return Unreachable("the host closed the connection" + (f" {when}" if when else ""))


def broken_off(command: str) -> Unreachable:
    """Return the error for the output of a command that ends before the command has."""
    return Unreachable(f"{command}: the answer broke off before the command had ended")


def stalled(command: str, seconds: float) -> Unreachable:
    """Return the error for a command of whose answer nothing has come for so long, although something should have."""
    words = f"{command}: the sandbox has not sent the command's output or end for {seconds:g} s"
    return Unreachable(words, hint="the connection has stalled; run the command again")


def too_slow(place: object, seconds: float, hint: str | None) -> Unreachable:
    """Return the error for a server that has not answered in time."""
    return Unreachable(f"{place} does not answer within {seconds:g} s", hint=hint)


def failure_words(error: BaseException) -> str:
    """Return what broke a connection; asyncio's own words name addresses a second time."""
    if isinstance(error, OSError) and error.errno:
        # Those of name resolution and of TLS have numbers of their own.
        own = type(error).__module__ != "builtins"
        return (error.strerror or str(error)) if own else os.strerror(error.errno).lower()
    if isinstance(error, h11.RemoteProtocolError) and str(error).startswith("peer closed connection"):
        return "the connection was closed in the middle of an answer"
    if isinstance(error, TimeoutError) and not str(error):
        return "it takes too long"
    return str(error) or type(error).__name__


def site_unreachable(site: Site, error: BaseException) -> Unreachable:
    """Return the error for a request to a cloud that got no answer, with what to do about it."""
    words, hint = explain(error, site)
    return Unreachable(f"{site} does not answer: {words}", hint=hint)


def explain(error: BaseException, site: Site) -> tuple[str, str]:
    """Words for a failure to reach `site`, and what to do about it."""
    # Imported late: they are for clouds.
    import socket
    import ssl

    from sbxcompose.api.settings import PROXIES

    causes = list(_causes(error))
    names = {type(cause).__name__ for cause in causes}
    asked = next((name for name in PROXIES if os.environ.get(name)), None)
    proxy = f" {asked} is set: check that it is right and that the proxy is running" if asked else ""
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
