"""How the styles of the screen look: the colours of the terminal itself, so that they suit dark and light ones."""

from __future__ import annotations

from functools import lru_cache

from rich.style import Style

_COLOURED = {
    "title": "bold reverse",
    "heading": "bold",
    "rule": "dim",
    "dim": "dim",
    "bold": "bold",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
    "key": "bold cyan",
    "remark": "italic dim",
    "selected": "reverse",
    "selection": "reverse",
    "cursor": "reverse",
    "match": "black on yellow",
    "found": "bold black on bright_yellow",
}
_PLAIN = {
    **_COLOURED,
    "good": "",
    "warn": "",
    "bad": "bold",
    "key": "bold",
    "match": "underline",
    "found": "reverse",
}


@lru_cache(maxsize=1024)
def style_of(name: str | Style, colour: bool) -> Style:
    """Return the style of that name; what a process has chosen is taken as it is."""
    if isinstance(name, Style):
        return name
    if name.startswith("name:"):
        return Style.parse(f"color({name.removeprefix('name:')})") if colour else Style.null()
    return Style.parse((_COLOURED if colour else _PLAIN).get(name, ""))
