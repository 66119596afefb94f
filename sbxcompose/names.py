"""The managed names under which processes are started: `web.3f2a9c1d`, `web.2.3f2a9c1d`."""

from __future__ import annotations

import re
from functools import lru_cache

MANAGED_NAME = re.compile(
    r"(?P<process>@?[A-Za-z0-9_-]+)(?:\.(?P<replica>[1-9][0-9]{0,3}))?\.(?P<digest>[0-9a-f]{8})(?:\.(?P<suffix>[1-9][0-9]*))?"
)


@lru_cache(4096)  # each change of a row asks for its name nine times
def parse_name(name: str) -> tuple[str, int, str, int] | None:
    """Split `web.2.3f2a9c1d.1` into ("web", 2, "3f2a9c1d", 1); None for a name of another form.

    The suffix is 0 when there is none.
    """
    found = MANAGED_NAME.fullmatch(name)
    if found is None:
        return None
    return found["process"], int(found["replica"] or 1), found["digest"], int(found["suffix"] or 0)
