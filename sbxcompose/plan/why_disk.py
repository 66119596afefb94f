"""What a full disk of a sandbox adds to the explanations of its processes."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.plan.observed import Observed
from sbxcompose.plan.why import Cause, Explanation

_HINT = "delete files in it, or raise `resources.disk` and run `up --recreate-sandboxes`, which loses what is on it"
_UNCONCERNED = frozenset({Cause.COMPLETED, Cause.INACTIVE, Cause.SANDBOX, Cause.SURPLUS, Cause.ORPHAN, Cause.UNKNOWN})


def with_disk(found: Explanation, observed: Observed) -> Explanation:
    """Return an explanation that tells of the full disk of its sandbox, if that is full."""
    left = observed.sandbox(found.instance.sandbox).full_disk
    if left is None or found.cause in _UNCONCERNED:
        return found
    line = f"the disk of sandbox {found.instance.sandbox} is full: {left} (`resources.disk`)"
    return replace(found, lines=(*found.lines, line), hint=_HINT)
