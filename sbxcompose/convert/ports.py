"""Published ports of a container; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from sbxcompose.convert.values import get, text
from sbxcompose.spec.nodes import Mapping, Node, Sequence

_DEFAULT = re.compile(r"\$\{\w+:?-([\w.]+)\}")
_UNSET = re.compile(r"(?:.*:)?\$(?:\w+|\{[^}]*\}):(\d{1,5})(?:/tcp)?")
"""A port that is published on one that only a variable knows."""
_SHORT = re.compile(r"(?:[\d.]*\.[\d.]*:|\[[^\]]*\]:|localhost:)?(?:(\d{1,5}):)?(\d{1,5})(?:/tcp)?")


def published_ports(node: Node | None, fill: Callable[[str], str]) -> list[tuple[int, int]]:
    """Return TCP ports as (on this machine, in the container); `port_notes` names the others.

    A variable counts with its default: `${PORT:-8080}:80`.
    """
    read = (_published(item, fill) for item in _items(node))
    return [(ports[0] or ports[1], ports[1]) for ports in read if ports is not None]


def port_notes(node: Node | None, fill: Callable[[str], str]) -> Iterator[tuple[Node, str]]:
    """Yield what a person has to know of entries that cannot be taken as they are."""
    for item in _items(node):
        written = text(item) or text(get(item, "target")) or ""
        ports = _published(item, fill)
        if ports is not None and ports[0] is None and "$" in written:
            yield item, f"the variable in `{written}` has no value: it listens on {ports[1]} here"
        elif ports is None:
            is_udp = "udp" in written or text(get(item, "protocol")) == "udp"
            why = "is of UDP" if is_udp else "is not a port" if re.search(r"\d", written) is None else "is a range"
            yield item, f"`{written}` {why}, and is left out: the process listens where it is told to"


def _items(node: Node | None) -> list[Node]:
    return node.items if isinstance(node, Sequence) else []


def _published(item: Node, fill: Callable[[str], str]) -> tuple[int | None, int] | None:
    """Return the port on this machine, None if it is not known, and that in the container; None for other entries."""
    if isinstance(item, Mapping):
        inside, outside = _port(item.get("target"), fill), _port(item.get("published"), fill)
        is_tcp = (text(item.get("protocol")) or "tcp") == "tcp"
        return (outside, inside) if inside is not None and is_tcp else None
    written = _DEFAULT.sub(r"\1", fill(text(item) or ""))
    match = _SHORT.fullmatch(written)
    if match is not None:
        return int(match[1] or match[2]), int(match[2])
    unset = _UNSET.fullmatch(written)
    return (None, int(unset[1])) if unset is not None else None


def _port(node: Node | None, fill: Callable[[str], str]) -> int | None:
    found = re.fullmatch(r"\d{1,5}", _DEFAULT.sub(r"\1", fill(text(node) or "")))
    return int(found[0]) if found is not None else None
