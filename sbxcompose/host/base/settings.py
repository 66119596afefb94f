"""What is set for a host from outside: by its environment, and by files of its state directory."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Literal, cast, get_args

from sbxcompose.host.base import damage

IDLE = 600.0
"""Idle timeout in seconds: exit when no process runs and no request arrives."""
NEVER = "never"
"""The idle timeout of a host that stays until it is stopped."""
KEY_FILE = "host.key"
KEY_BYTES = 4096
ISOLATION = "SBXCOMPOSE_ISOLATION"
IsolationMode = Literal["auto", "none", "overlay"]
"""How sandboxes are isolated that have no project and do not say; `auto`: wherever the machine permits it."""
ACCEPT = "SBXCOMPOSE_ACCEPT"
Accepted = Literal["images", "memory", "network", "one-sandbox"]
"""What the host refuses unless it is started to accept it: image builds, which are recorded and not carried out; memory
snapshots and copies of a sandbox in which something runs, which have the disk alone; network policies that are recorded
and not enforced; and requests that name no sandbox, which mean the only one.
"""


def idle_seconds() -> float:
    """Return the idle timeout in seconds; infinity if there is none."""
    value = os.environ.get("SBXCOMPOSE_HOST_IDLE") or str(IDLE)
    if value == NEVER:
        return math.inf
    try:
        return max(0.0, float(value))
    except ValueError:
        print(f"ignoring SBXCOMPOSE_HOST_IDLE: expected a number of seconds or `{NEVER}`", file=sys.stderr)
        return IDLE


def isolation() -> IsolationMode:
    """Return how sandboxes are isolated that have no project and do not say."""
    value = os.environ.get(ISOLATION) or "auto"
    if value not in get_args(IsolationMode):
        print(
            f"ignoring {ISOLATION}: invalid value `{value[:40]}`; expected `auto`, `none` or `overlay`", file=sys.stderr
        )
        return "auto"
    return cast("IsolationMode", value)


def enforces_resources() -> bool:
    """Return whether `resources` limit the sandboxes that programs create."""
    return os.environ.get("SBXCOMPOSE_ENFORCE_RESOURCES") == "yes"


def accepted() -> list[Accepted]:
    """Return what the host accepts although it cannot keep it."""
    wanted = os.environ.get(ACCEPT, "").split(",")
    return [name for name in get_args(Accepted) if name in wanted]


def accepts(what: Accepted) -> bool:
    """Return whether the host accepts this although it cannot keep it."""
    return what in accepted()


def options() -> dict[str, str]:
    """Return how the host was started, as variables: what a later command may ask it to be."""
    enforces = "yes" if enforces_resources() else "no"
    return {
        ISOLATION: isolation(),
        "SBXCOMPOSE_ENFORCE_RESOURCES": enforces,
        ACCEPT: ",".join(accepted()),
    }


def read_key(path: Path) -> str | None:
    """Return the key that requests over TCP must have; None refuses them all."""
    try:
        return damage.read_file(path, most=KEY_BYTES).decode().strip() or None
    except (OSError, ValueError) as error:
        print(f"cannot read the key: {error}; all requests over TCP are refused", file=sys.stderr)
        return None
