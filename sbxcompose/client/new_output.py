"""What is followed of processes and replicas that are added while their output is followed; pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from sbxcompose.api.frames import EVERY_LOG, EVERY_REPLICA
from sbxcompose.errors import UsageError
from sbxcompose.plan.names import ProcessNames, Target, is_pattern, matches
from sbxcompose.plan.observed import Instance


class NewOutput:
    """The instances that names and patterns mean, whenever they appear; all without names. `exclude` takes precedence.

    A name means all replicas of a process, unless it has a number. `since_ms`: what was written before is not new.
    """

    def __init__(self, names: ProcessNames, texts: Sequence[str], exclude: Sequence[str], since_ms: int) -> None:
        self._all = not texts
        self._patterns = [text for text in texts if is_pattern(text)]
        self._targets = _targets(names, texts)
        self._excluded_patterns = [text for text in exclude if is_pattern(text)]
        self._excluded = _targets(names, exclude)
        self._since_ms = since_ms

    def entries(self, sandbox: str) -> list[dict[str, Any]]:
        """Return what selects their logs in a watch request."""
        logs = {target.process + EVERY_REPLICA for target in self._targets if target.sandbox == sandbox}
        if self._all or any(_may_match(sandbox, pattern) for pattern in self._patterns):
            logs = {EVERY_LOG}
        return [{"log": log, "since_ms": self._since_ms} for log in sorted(logs)]

    def includes(self, instance: Instance) -> bool:
        """Return whether the output of an instance is wanted."""
        if _means(instance, self._excluded, self._excluded_patterns):
            return False
        return self._all or _means(instance, self._targets, self._patterns)


def _targets(names: ProcessNames, texts: Sequence[str]) -> list[Target]:
    """Return the processes that are named as a whole."""
    found = []
    for text in texts:
        if not is_pattern(text):
            try:
                found.append(names.resolve(text))
            except UsageError:  # it has ended, and is not in the file: nothing of it will be added
                continue
    return found


def _means(instance: Instance, targets: Sequence[Target], patterns: Sequence[str]) -> bool:
    return any(target.covers(instance) for target in targets) or any(matches(instance, text) for text in patterns)


def _may_match(sandbox: str, pattern: str) -> bool:
    place, slash, _ = pattern.partition("/")
    return not slash or fnmatchcase(sandbox, place)
