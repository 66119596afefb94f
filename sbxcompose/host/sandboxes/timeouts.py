"""How long a sandbox may still stay as it is (contract, section 2.11): decided by `seconds_left` from values alone.

One without a name has a lifetime. One with a name has a time without proxied traffic, after which it is suspended.
"""

from __future__ import annotations

from msgspec import Struct

from sbxcompose.api.sandbox_models import SandboxInfo


class Traffic(Struct, frozen=True):
    """The proxied requests of a sandbox: how many are under way, and when there was one last (monotonic seconds)."""

    under_way: int
    last: float


def seconds_left(info: SandboxInfo, traffic: Traffic, *, age: float, now: float) -> float | None:
    """Seconds until the sandbox is due to be terminated or suspended, 0 if it is now; None if nothing is to happen.

    `age` is how long ago it was created, for a lifetime continues while no host runs or the machine sleeps; `now` is
    monotonic, for a machine that sleeps is not idle.
    """
    if not info.timeout_secs or info.status == "terminated":
        return None
    if info.name is None:
        return max(0.0, info.timeout_secs - age)
    if info.status != "running" or traffic.under_way:
        return None
    return max(0.0, traffic.last + info.timeout_secs - now)
