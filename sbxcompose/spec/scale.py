"""`--scale web=3`: the numbers of replicas that the command line sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from sbxcompose.errors import UnknownName, UnknownPattern, UsageError
from sbxcompose.spec.needs import Address

ALL = "all"
"""The name of every process that is not named, unless one is called so."""
_MOST = 9999


class Scale:
    """How many replicas of which process are asked for. A name takes precedence over a pattern, and both over `all`;
    `named` leaves out what only `all` stands for.

    Raises `UsageError` for names and numbers that cannot be.
    """

    def __init__(self, asked: Mapping[str, int], addresses: Iterable[Address]) -> None:
        known = list(addresses)
        named: dict[Address, int] = {}
        matched: dict[Address, int] = {}
        every: int | None = None
        for name, count in asked.items():
            if not 0 <= count <= _MOST:
                raise UsageError(f"`{name}` cannot have {count} replicas", hint=f"from 0 to {_MOST} are possible")
            if any(char in name for char in "*?["):
                matched.update(dict.fromkeys(_matching(name, known), count))
                continue
            found = [address for address in known if name in (address[1], "/".join(address))]
            if not found and name == ALL:
                every = count
                continue
            named[_only(name, found, known)] = count
        self.named = {**matched, **named}
        self.replicas = {**({} if every is None else dict.fromkeys(known, every)), **self.named}


def rescaled(before: Mapping[str, int], asked: Mapping[str, int], addresses: Iterable[Address]) -> Mapping[str, int]:
    """Return numbers that have been asked for with others on top, which take precedence whatever they are called.

    Raises as `Scale`.
    """
    found = Scale(asked, addresses)
    if found.replicas.keys() != found.named.keys():  # `all` is among them
        return dict(asked)
    return {**before, **{"/".join(address): count for address, count in found.named.items()}}


def _matching(pattern: str, known: list[Address]) -> list[Address]:
    found = [
        address for address in known if fnmatchcase(address[1], pattern) or fnmatchcase("/".join(address), pattern)
    ]
    if not found:
        raise UnknownPattern("process", pattern, _shown(known))
    return found


def _only(name: str, found: list[Address], known: list[Address]) -> Address:
    whole = [address[1] for address in known if name.startswith((f"{address[1]}.", f"{'/'.join(address)}."))]
    if not found and whole:
        hint = f"it is set for a process as a whole, for example `{whole[0]}=2`"
        raise UsageError(f"`{name}` names a replica, of which there cannot be several", hint=hint)
    if not found:
        raise UnknownName("process", name, _shown(known))
    if len(found) > 1:
        listed = ", ".join(f"`{'/'.join(address)}`" for address in found)
        raise UsageError(f"`{name}` is ambiguous", hint=f"say which one: {listed}")
    return found[0]


def _shown(known: list[Address]) -> list[str]:
    counts = Counter(process for _, process in known)
    return [process if counts[process] == 1 else f"{sandbox}/{process}" for sandbox, process in known]
