"""Which instances names and patterns such as `web*` select; pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from sbxcompose.errors import UnknownName
from sbxcompose.plan.names import ProcessNames, is_pattern, matches
from sbxcompose.plan.observed import Instance


def select(
    known: Collection[Instance], texts: Iterable[str], names: ProcessNames, label: Callable[[Instance], str]
) -> list[Instance]:
    """Return the known instances that the names and patterns select, in the order of the texts.

    `names` are those of the file; `label` is what an instance is called, which need not be in it. Raises `UnknownName`
    for what selects nothing, and `UsageError` for a name in several sandboxes.
    """
    found: dict[Instance, None] = {}
    for text in texts:
        if is_pattern(text):
            selected = [instance for instance in known if matches(instance, text)]
            if not selected:
                raise names.no_match(text)
        else:
            selected = _named(known, text, names, label)
        found.update(dict.fromkeys(selected))
    return list(found)


def _named(
    known: Collection[Instance], text: str, names: ProcessNames, label: Callable[[Instance], str]
) -> list[Instance]:
    orphans = [instance for instance in known if text in (label(instance), instance.process)]
    try:
        target = names.resolve(text)
    except UnknownName:
        if not orphans:
            raise
        return orphans
    return [instance for instance in known if target.covers(instance)]
