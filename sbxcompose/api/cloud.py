"""The way to a cloud, or to a host that stands in for one, with the key; its refusals become our errors here.

Reads are tried again where the contract lets one (section 7.3); nothing else is repeated, for nobody knows whether it
was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from sbxcompose.api.addresses import Site
from sbxcompose.api.answers import words_of
from sbxcompose.api.channel import Reply
from sbxcompose.api.https import Https, HttpsReply
from sbxcompose.api.settings import Setting
from sbxcompose.api.transport import Address, Answer, Stream, Transport
from sbxcompose.errors import Refused, Unavailable, Unreachable

if TYPE_CHECKING:
    from sbxcompose.api.dial import Socket

READ_TRIES = 3
PAUSE = 0.15
"""Seconds before a read is tried again; doubled each time."""
LONGEST_PAUSE = 30.0
"""Seconds that a server may ask us to wait."""
_UPSTREAM = frozenset(
    {"SANDBOX_UPSTREAM_ERROR", "SANDBOX_NOT_READY", "SANDBOX_UNREACHABLE", "AUTH_SERVICE_UNAVAILABLE"}
)


class RateLimited(Refused):
    """429: too many requests. `retry_after` is in seconds, where the server said so."""

    def __init__(self, message: str, *, code: str | None, retry_after: float | None) -> None:
        after = f" in {retry_after:g} s" if retry_after is not None else " later"
        super().__init__(message, status=429, code=code, hint=f"try again{after}")
        self.retry_after = retry_after


class KeyRefused(Refused):
    """401 or 403: the key is not accepted."""


class CloudChannel:
    """See `Channel`. `key` and `headers` go with every request, to `site` alone."""

    local = False

    def __init__(self, site: Site, key: Setting | None, headers: Mapping[str, str]) -> None:
        self.site = site
        self._key = key
        self._plain = site.loopback and site.scheme == "http"
        # The name as it was given: what listens there may tell its tenants apart by it.
        self._headers = {**({"Host": site.origin.partition("//")[2]} if self._plain else {}), **headers}
        self._carrier: Transport | Https | None = None

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """See `Channel`. Raises `Refused` for a key that is not accepted, a rate limit and redirects, too."""
        for attempt in range(1, READ_TRIES + 1):
            try:
                async with self.stream(method, path, headers=headers, body=body) as answer:
                    return Answer(answer.status, await answer.read())
            except (Unreachable, RateLimited) as error:
                if method != "GET" or attempt == READ_TRIES:
                    raise
                asked = error.retry_after if isinstance(error, RateLimited) else None
                pause = PAUSE * 2 ** (attempt - 1) if asked is None else asked
                if pause > LONGEST_PAUSE:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> AsyncIterator[Reply]:
        """See `Channel`; raises as `request`."""
        more = {**self._headers, **(headers or {})}
        async with self._carry().stream(method, path, headers=more, body=body) as answer:
            if answer.status in (401, 403, 429) or answer.status >= 500 or 300 <= answer.status < 400:
                yield _Read(answer.status, await self._judge(answer, f"{method} {path.partition('?')[0]}"))
            else:
                yield answer

    async def socket(self, path: str, *, headers: Mapping[str, str], limit: int | None = None) -> Socket:
        """See `Channel`. Goes straight to the site: no proxy of the system is used."""
        from sbxcompose.api.dial import Endpoint, open_socket

        site = self.site
        host = "127.0.0.1" if site.host.endswith("localhost") and self._plain else site.host.strip("[]")
        endpoint = Endpoint(None, host, site.port, tls=site.scheme == "https", hint="is the URL right?")
        key = {"Authorization": f"Bearer {self._key.value}"} if self._key is not None else {}
        own = {"Host": site.origin.partition("//")[2], **key, **self._headers}
        return await open_socket(endpoint, site.prefix + path, {**own, **headers}, limit=limit)

    async def close(self) -> None:
        """Close its connections in order."""
        carrier, self._carrier = self._carrier, None
        if isinstance(carrier, Https):
            await carrier.aclose()
        elif carrier is not None:
            carrier.close()

    def _carry(self) -> Transport | Https:
        if self._carrier is None:
            self._carrier = self._make()
        return self._carrier

    def _make(self) -> Transport | Https:
        """On this machine without TLS what the local host needs will do: no proxies, and nothing to import."""
        key = self._key.value if self._key is not None else None
        if self._plain:
            host = "127.0.0.1" if self.site.host.endswith("localhost") else self.site.host.strip("[]")
            hint = f"does a host listen there? `sbxcompose host serve --port {self.site.port}` is one"
            return Transport(Address(host=host, port=self.site.port, key=key, prefix=self.site.prefix, hint=hint))
        return Https(self.site, {"Authorization": f"Bearer {key}"} if key is not None else {})

    async def _judge(self, answer: Stream | HttpsReply, what: str) -> bytes:
        """Raise what a refusal means; the body of one that is for whoever asked to judge."""
        body = await answer.read()
        words, code, _ = words_of(body)
        said, status = words or f"HTTP {answer.status}", answer.status
        if 300 <= status < 400:
            self._redirected(answer)
        if status == 429:
            after = _seconds(answer.header("retry-after"))
            raise RateLimited(f"{self.site}: too many requests: {said}", code=code, retry_after=after)
        if status == 401 or (status == 403 and code in (None, "FORBIDDEN", "UNAUTHORIZED")):
            words = f"{self.site} does not accept the key: {said}"
            raise KeyRefused(words, status=status, code=code, hint=self._key_hint())
        if status in (502, 503, 504) or code in _UPSTREAM:
            raise Unavailable(f"{self.site}: {what}: {said}", hint="the service is not ready; try again")
        return body

    def _redirected(self, answer: Stream | HttpsReply) -> NoReturn:
        place = answer.header("location") or "elsewhere"
        raise Refused(
            f"{self.site} redirects to {place}; that is not followed, for the key would go there",
            status=answer.status,
            hint="if that is the right place, name it in the variable that names this one",
        )

    def _key_hint(self) -> str:
        if self._key is None:
            return "set TENSORLAKE_API_KEY"
        return f"the key comes from {self._key.source}; `sbxcompose doctor` says what is configured"


class _Read:
    """A body that has been read already."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self) -> bytes:
        return self._body


def _seconds(text: str | None) -> float | None:
    """A `Retry-After` of seconds; the form with a date is not used by this contract."""
    return float(text) if text is not None and text.strip().isdecimal() else None
