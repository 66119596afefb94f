"""Published ports of a container; pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from sbxcompose.convert.values import text
from sbxcompose.spec.nodes import Mapping, Node, Sequence

_DEFAULT = re.compile(r"\$\{\w+:?-(\d+)\}")
_SHORT = re.compile(r"(?:[\d.]*\.[\d.]*:|\[[^\]]*\]:|localhost:)?(?:(\d{1,5}):)?(\d{1,5})(?:/tcp)?")


def published_ports(node: Node | None, fill: Callable[[str], str]) -> list[tuple[int, int]]:
    """Return TCP ports as (on this machine, in the container); ranges and other protocols are left out.

    A variable counts with its default: `${PORT:-8080}:80`.
    """
    found = []
    for item in node.items if isinstance(node, Sequence) else []:
        if isinstance(item, Mapping):
            inside, outside = _port(item.get("target"), fill), _port(item.get("published"), fill)
            if inside is not None:
                found.append((outside or inside, inside))
            continue
        match = _SHORT.fullmatch(_DEFAULT.sub(r"\1", fill(text(item) or "")))
        if match is not None:
            found.append((int(match[1] or match[2]), int(match[2])))
    return found


def _port(node: Node | None, fill: Callable[[str], str]) -> int | None:
    found = re.fullmatch(r"\d{1,5}", _DEFAULT.sub(r"\1", fill(text(node) or "")))
    return int(found[0]) if found is not None else None
