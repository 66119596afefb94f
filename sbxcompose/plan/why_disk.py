"""What a full disk of a sandbox adds to the explanations of its processes."""

from __future__ import annotations

from msgspec.structs import replace

from sbxcompose.plan.observed import Observed
from sbxcompose.plan.why import Cause, Explanation

_HINT = "delete files in it, or raise `resources.disk` and run `up --recreate-sandboxes`, which loses what is on it"
_MACHINE_HINT = "free space on the disk that holds the host's state"
_READ_ONLY_HINT = (
    f"{_MACHINE_HINT}, stop everything in the sandbox (`down`), and run `up` after ten seconds: what was written last"
    " may be lost"
)
_UNCONCERNED = frozenset({Cause.COMPLETED, Cause.INACTIVE, Cause.SANDBOX, Cause.SURPLUS, Cause.ORPHAN, Cause.UNKNOWN})


def with_disk(found: Explanation, observed: Observed) -> Explanation:
    """Return an explanation that tells of the full disk of its sandbox, or the one below it, if that is full."""
    sandbox = found.instance.sandbox
    full = observed.sandbox(sandbox).full_disk
    if full is None or found.cause in _UNCONCERNED:
        return found
    if full.read_only:
        line = f"the disk of sandbox {sandbox} is read-only: writes to the disk of this machine below it have failed"
        line += f" ({full.left} there now)" if full.left else ""
        return replace(found, lines=(*found.lines, line), hint=_READ_ONLY_HINT)
    if full.of_machine:
        line = f"the disk of this machine that holds the disk of sandbox {sandbox} is full: {full.left}"
        return replace(found, lines=(*found.lines, line), hint=_MACHINE_HINT)
    line = f"the disk of sandbox {sandbox} is full: {full.left} (`resources.disk`)"
    return replace(found, lines=(*found.lines, line), hint=_HINT)
