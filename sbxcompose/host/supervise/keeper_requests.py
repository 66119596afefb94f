"""The effects of a process's lifecycle that the keeper alone carries out, as requests to it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from signal import SIGKILL
from typing import Any

from sbxcompose.host.keeper.client import KeeperClient
from sbxcompose.host.supervise.lifecycle_types import CloseInput, Effect, KillRun, ReleaseRun, StopRun


def keeper_request(keeper: KeeperClient, unit: Callable[[int], str], effect: Effect) -> Coroutine[Any, Any, object]:
    """Return the request for an effect, to be awaited; `unit` names the unit of a run by its handle."""
    match effect:
        case StopRun(handle, signal, grace_ms):
            return keeper.stop(unit(handle), signal, grace_ms / 1000)
        case KillRun(handle):
            return keeper.kill(unit(handle), SIGKILL, "everything")
        case ReleaseRun(handle):
            return keeper.release(unit(handle))
        case CloseInput(handle):
            return keeper.close_stdin(unit(handle))
    raise AssertionError(effect)
