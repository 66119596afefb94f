"""Names on the command line that the file does not have: an orphan's, or a replica's that `--scale` has added."""

from __future__ import annotations

from collections.abc import Sequence

from sbxcompose.engine.session import Session
from sbxcompose.errors import UnknownName
from sbxcompose.plan.names import Target, is_pattern, resolve_all


async def resolve_running(session: Session, texts: Sequence[str]) -> frozenset[Target] | None:
    """Return the targets that the arguments name, also of what runs and is not in the file; None if there are none.

    Raises as `ProcessNames.resolve_all`.
    """
    if any(map(is_pattern, texts)):
        return resolve_all(session.project, texts, await session.observe())
    try:
        return resolve_all(session.project, texts)
    except UnknownName as error:
        try:
            return resolve_all(session.project, texts, await session.observe())
        except UnknownName:
            raise error from None
