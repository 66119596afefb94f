"""A list in pages, and the cursors between them: decided from values alone (contract, section 2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.host.base.problems import Problem

_CURSOR = re.compile(r"[0-9a-f]{16}\.[a-z0-9]{21}")


class PageQuery(Struct, frozen=True):
    """Which page: at most `limit` sandboxes after the cursor, or before it; None is from the beginning, or the end."""

    limit: int
    cursor: str | None = None
    backward: bool = False


class Page(Struct, frozen=True):
    """Sandboxes in the order of their creation, and the cursors of the pages before and after them."""

    sandboxes: list[SandboxInfo]
    previous: str | None
    following: str | None


def page(known: Iterable[SandboxInfo], query: PageQuery) -> Page:
    """Return a page of all that are known. Raises `Problem` for an invalid cursor."""
    cursor = query.cursor
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise Problem(400, f"{cursor[:60]!r} is not a cursor of this host", "BAD_CURSOR")
    every = sorted(known, key=_key)
    keys = [_key(sandbox) for sandbox in every]
    if query.backward:
        end = len(keys) if cursor is None else sum(key < cursor for key in keys)
        start = max(0, end - query.limit)
    else:
        start = 0 if cursor is None else sum(key <= cursor for key in keys)
        end = min(len(keys), start + query.limit)
    previous = keys[start] if 0 < start < len(keys) and end > start else None
    following = keys[end - 1] if start < end < len(keys) else None
    return Page(every[start:end], previous, following)


def _key(info: SandboxInfo) -> str:
    return f"{info.created_at or 0:016x}.{info.id}"
