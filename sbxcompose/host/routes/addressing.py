"""Which sandbox a request for a daemon, or for a port, is addressed to (contract, section 1.4)."""

from __future__ import annotations

from collections.abc import Mapping

from sbxcompose.host.base import settings
from sbxcompose.host.base.problems import Problem
from sbxcompose.host.http import auth
from sbxcompose.host.sandboxes.registry import Sandboxes
from sbxcompose.host.sandboxes.sandbox import HostedSandbox


def addressed(headers: Mapping[str, str], sandboxes: Sandboxes) -> HostedSandbox:
    """Return the live sandbox that a request's headers name. Raises `Problem`.

    Some HTTP libraries drop the Host that the older TypeScript SDKs set, and some programs take the proxy's URL for the
    sandbox's: a host that was started for them takes the only sandbox there is.
    """
    identifier = headers.get("x-tensorlake-sandbox-id") or auth.sandbox_label(headers.get("host", ""))
    if identifier:
        return sandboxes.live(identifier)
    words = "no sandbox is named; expected the header X-Tensorlake-Sandbox-Id, or Host <id-or-name>.local"
    if not settings.accepts("one-sandbox"):
        hint = "`host serve --accept one-sandbox` takes the only one for clients that name none"
        raise Problem(400, words, "MISSING_SANDBOX_ID", hint)
    live = [sandbox for sandbox in sandboxes if sandbox.ending is None]
    if len(live) != 1:
        raise Problem(400, f"{words}; there are {len(live) or 'none'} to choose from", "MISSING_SANDBOX_ID")
    return live[0]
