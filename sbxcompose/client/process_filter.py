"""Which processes `--filter` selects: several values of one key are alternatives, several keys must all match. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from sbxcompose.client.process_state import VALUES, ProcessState
from sbxcompose.client.process_status import ProcessStatus
from sbxcompose.errors import UsageError
from sbxcompose.similar import did_you_mean

Matches = Callable[[ProcessStatus, str], bool]

_ALIASES = {
    "restarting": ProcessState.BACKING_OFF,
    "created": ProcessState.NOT_STARTED,
    "paused": ProcessState.SUSPENDED,
}
"""Docker's words for states."""


class ProcessFilter:
    """Selects statuses by pairs `KEY=VALUE`, and by `states` of `--status`.

    Raises `UsageError` for a key or value that does not exist.
    """

    def __init__(self, pairs: Iterable[str], states: Iterable[str] = ()) -> None:
        self._wanted: dict[str, list[str]] = {}
        for state in states:
            self._wanted.setdefault("status", []).append(_state(state, state, "--status"))
        for pair in pairs:
            key, value = _checked(pair)
            self._wanted.setdefault(key, []).append(value)

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def selects(self, status: ProcessStatus) -> bool:
        """Return whether the process is one of those asked for."""
        return all(any(_MATCHES[key](status, value) for value in values) for key, values in self._wanted.items())


def _checked(pair: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    key = {"state": "status"}.get(key, key)
    if not equals or key not in _MATCHES:
        keys = f"keys: {', '.join(_MATCHES)}"
        hint = (
            did_you_mean(key, _MATCHES, keys)
            if equals
            else f"expected KEY=VALUE, such as `--filter status=running`; {keys}"
        )
        raise UsageError(f"invalid value `{pair}` for `--filter`", hint=hint)
    if key == "status":
        return key, _state(value, pair)
    allowed = VALUES.get(key)
    if allowed is not None and value not in allowed:
        hint = did_you_mean(value, allowed, f"{key} is one of: {', '.join(allowed)}")
        raise UsageError(f"invalid value `{pair}` for `--filter`", hint=hint)
    return key, value


def _state(value: str, given: str, option: str = "--filter") -> str:
    word = value.lower().replace("-", " ").replace("_", " ")
    wanted = _ALIASES.get(word, word)
    if wanted not in list(ProcessState):
        known = [str(state) for state in ProcessState]
        hint = did_you_mean(word, known, f"status is one of: {', '.join(known)}")
        raise UsageError(f"invalid value `{given}` for `{option}`", hint=hint)
    return wanted


def _has_state(status: ProcessStatus, value: str) -> bool:
    """Return whether it is in that state; all that has a run is `running`, whatever else is known of it."""
    return status.state == value or (value == ProcessState.RUNNING and status.running)


def _has_label(status: ProcessStatus, value: str) -> bool:
    name, equals, wanted = value.partition("=")
    return name in status.labels and (not equals or status.labels[name] == wanted)


def _flag(read: Callable[[ProcessStatus], bool | None]) -> Matches:
    return lambda status, value: bool(read(status)) is (value == "true")


_MATCHES: dict[str, Matches] = {
    "status": _has_state,
    "health": lambda status, value: (status.health or "none") == value,
    "name": lambda status, value: fnmatchcase(status.name, value) or fnmatchcase(status.process, value),
    "sandbox": lambda status, value: fnmatchcase(status.sandbox, value),
    "label": _has_label,
    "ready": _flag(lambda status: status.ready),
    "orphan": _flag(lambda status: status.orphan),
    "outdated": _flag(lambda status: status.outdated),
}
