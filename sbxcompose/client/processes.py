"""List processes: what the file defines beside what runs, with readiness as far as it can be found out quickly."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from sbxcompose.clock import wall_time
from sbxcompose.engine.listing import ListedInstance, named_listing, readiness_of, with_readiness
from sbxcompose.engine.session import Session
from sbxcompose.plan.observed import Observed


class ProcessListing(Struct, frozen=True):
    """The instances asked for, everything that was observed, and when (seconds since 1970)."""

    instances: tuple[ListedInstance, ...]
    observed: Observed
    at: float


async def list_processes(session: Session, names: Collection[str], *, everything: bool) -> ProcessListing:
    """Return the instances with these names, or without names all that `everything` covers, see
    `engine.listing.named_listing`.

    Raises `UnknownName`.
    """
    project = session.project
    observed = await session.observe()
    entries = named_listing(project, observed, names, everything=everything)
    seen = await readiness_of(session, entries)
    now = wall_time()
    return ProcessListing(tuple(with_readiness(entries, project, seen, now)), observed, now)
