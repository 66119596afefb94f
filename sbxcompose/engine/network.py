"""A network policy of the file, and that of a sandbox as its provider tells it (contract, section 2.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sbxcompose.spec.machine import Network


def policy_of(network: Network | None) -> dict[str, Any] | None:
    """Return the policy as the contract has it; None if it forbids nothing."""
    if network is None or not network.restrictive:
        return None
    return {
        "allow_internet_access": network.allow_internet_access,
        "allow_out": list(network.allow_out),
        "deny_out": list(network.deny_out),
    }


def is_enforced(network: Network | None, found: Mapping[str, Any] | None) -> bool:
    """Return whether a sandbox with the policy `found` is one that the file wants: its network is decided when it is
    made.
    """
    told = found or {}
    there = Network(
        told.get("allow_internet_access", True), tuple(told.get("allow_out") or ()), tuple(told.get("deny_out") or ())
    )
    return policy_of(network) == policy_of(there)
