"""Freezing the processes of a sandbox where they are, and thawing them (contract, section 2.11)."""

from __future__ import annotations

from collections.abc import Iterable

from sbxcompose.host.keeper.client import KeeperClient


async def freeze(keeper: KeeperClient, units: Iterable[str]) -> None:
    """Freeze all that these units have started; again is fine. Raises `KeeperLost`."""
    await keeper.freeze_many(list(units))


async def thaw(keeper: KeeperClient, units: Iterable[str]) -> None:
    """Thaw them. What was asked of them meanwhile, an end by signal, say, happens now. Raises `KeeperLost`."""
    await keeper.thaw_many(list(units))
