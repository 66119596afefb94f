"""What is set for a host from outside: by its environment, and by files of its state directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import cast, get_args

from sbxcompose.api.sandbox_models import Isolation
from sbxcompose.host.base import damage

IDLE = 600.0
"""Idle timeout in seconds: exit when no process runs and no request arrives."""
KEY_FILE = "host.key"
KEY_BYTES = 4096


def idle_seconds() -> float:
    """Return the idle timeout in seconds."""
    try:
        return max(0.0, float(os.environ.get("SBXCOMPOSE_HOST_IDLE") or IDLE))
    except ValueError:
        print("SBXCOMPOSE_HOST_IDLE is not a number of seconds; ignored", file=sys.stderr)
        return IDLE


def isolation() -> Isolation:
    """Return how sandboxes are isolated that have no project and do not say."""
    value = os.environ.get("SBXCOMPOSE_ISOLATION") or "none"
    if value not in get_args(Isolation):
        print(
            f"SBXCOMPOSE_ISOLATION is `{value[:40]}`, which is neither `none` nor `overlay`; ignored", file=sys.stderr
        )
        return "none"
    return cast("Isolation", value)


def enforces_resources() -> bool:
    """Return whether `resources` limit the sandboxes that programs create."""
    return os.environ.get("SBXCOMPOSE_ENFORCE_RESOURCES") == "yes"


def options() -> dict[str, str]:
    """Return how the host was started, as variables: what a later command may ask it to be."""
    enforces = "yes" if enforces_resources() else "no"
    return {"SBXCOMPOSE_ISOLATION": isolation(), "SBXCOMPOSE_ENFORCE_RESOURCES": enforces}


def read_key(path: Path) -> str | None:
    """Return the key that requests over TCP must have; None refuses them all."""
    try:
        return damage.read_file(path, most=KEY_BYTES).decode().strip() or None
    except (OSError, ValueError) as error:
        print(f"cannot read the key: {error}; all requests over TCP are refused", file=sys.stderr)
        return None
