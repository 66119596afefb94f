"""The ASGI application of the host: who is let in, which sandbox is woken, and what goes wrong is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.requests import Request
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http import auth
from sbxcompose.host.routes import errors, user_ports
from sbxcompose.host.routes.addressing import addressed
from sbxcompose.host.routes.host import HostControl
from sbxcompose.host.routes.table import ROUTES
from sbxcompose.host.sandboxes.registry import Sandboxes

_WATCHING = frozenset({"/api/v1/watch", "/api/v1/stats"})
"""Extensions that only look. A watch that broke off is asked for again, and the sandbox may be suspended by then."""


class HostApplication:
    """Answers the requests of a host. `address` and `key` are those of its TCP socket, if it has one."""

    def __init__(
        self, host: HostControl, sandboxes: Sandboxes, address: tuple[str, int] | None, key: str | None
    ) -> None:
        self._host = host
        self._sandboxes = sandboxes
        self._port = None if address is None else address[1]
        self._url = url_of(address)
        self._key = key
        self._router = Router(ROUTES, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: let the request in, and route it; whatever goes wrong is answered."""
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        request = Request(scope)
        scope["app"] = self
        scope["state"] = {
            "host": self._host,
            "sandboxes": self._sandboxes,
            "sandbox": lambda: addressed(request.headers, self._sandboxes),
            "url": self._url,
            "key": self._key,
        }
        try:
            port = auth.user_port(request.headers)
            if port is None:
                self._let_in(request)
            answer = self._router if port is None else user_ports.answer(request, port, self._key)
            async with self._visited(request, user_port=port is not None):
                await answer(scope, receive, watched)
        except Exception as error:
            if began:
                raise
            what = f"{request.method} {request.url.path}"
            await errors.answer(errors.as_problem(error, what), error)(scope, receive, send)

    def _let_in(self, request: Request) -> None:
        daemon = request.url.path.startswith("/api/v1/")
        trusted = request.scope["trusted"]
        refusal = None if trusted else auth.refusal(request.headers, self._key, self._port, daemon=daemon)
        granted = refusal is not None and refusal.status == 401 and self._has_grant(request)
        if refusal is not None and not granted:
            raise Problem(refusal.status, refusal.error, refusal.code)
        request.scope["authenticated"] = True

    def _has_grant(self, request: Request) -> bool:
        # Imported late: few clients have image builds or file systems.
        from sbxcompose.host.http.grants import is_granted

        return is_granted(request.url.path, request.scope["query_string"], request.headers, self._key)

    @asynccontextmanager
    async def _visited(self, request: Request, *, user_port: bool) -> AsyncIterator[None]:
        """Count a request for a sandbox's daemon, or for a port of it, as its traffic, and wake it (contract,
        section 2.11).
        """
        sandbox = None
        if user_port or request.url.path.startswith("/api/v1/"):
            with suppress(Problem):  # the route says it, if it matters there
                sandbox = addressed(request.headers, self._sandboxes)
        if sandbox is None:
            yield
        else:
            async with sandbox.proxy_request(wakes=request.url.path not in _WATCHING):
                yield


def url_of(address: tuple[str, int] | None) -> str | None:
    """Return the URL of a TCP address; None without one."""
    return None if address is None else f"http://{address[0]}:{address[1]}"
