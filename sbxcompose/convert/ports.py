"""Published ports of a container; pure."""

from __future__ import annotations

import re

from sbxcompose.convert.values import number, text
from sbxcompose.spec.nodes import Mapping, Node, Sequence

_DEFAULT = re.compile(r"\$\{\w+:?-(\d+)\}")
_SHORT = re.compile(r"(?:[\d.]*\.[\d.]*:|\[[^\]]*\]:|localhost:)?(?:(\d+):)?(\d+)(?:/tcp)?")


def published_ports(node: Node | None) -> list[tuple[int, int]]:
    """Return TCP ports as (on this machine, in the container); ranges and other protocols are left out.

    A variable counts with its default: `${PORT:-8080}:80`.
    """
    found = []
    for item in node.items if isinstance(node, Sequence) else []:
        if isinstance(item, Mapping):
            inside, outside = number(item.get("target")), number(item.get("published"))
            if inside is not None:
                found.append((int(outside or inside), int(inside)))
            continue
        match = _SHORT.fullmatch(_DEFAULT.sub(r"\1", text(item) or ""))
        if match is not None:
            found.append((int(match[1] or match[2]), int(match[2])))
    return found
