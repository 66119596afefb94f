"""Which scripts of a manifest are servers and workers, told by their names; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MAIN = ("dev", "start:dev", "develop", "serve", "start", "server", "run", "up")
"""Names of the script that runs the project, the preferred ones first: only one of them is started."""
_ROLES = ("web", "api", "worker", "scheduler")
_ROLES_WITH_VERB = (*_ROLES, "backend", "frontend")
"""`frontend` alone may as well build it."""
_VERBS = ("dev", "serve", "start", "run")
_PLAIN = re.compile(r"[A-Za-z][\w.:-]*", re.ASCII)


def long_running(scripts: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return the scripts to start by their roles ("": runs the project), and others that look long-running.

    A script that the one for the project runs itself, as `concurrently npm:web npm:worker` does, is among the others.
    """
    main = next((name for name in MAIN if name in scripts), None)
    chosen = {} if main is None else {"": main}
    candidates = [(rank, name) for name in scripts if (rank := _role(name)) is not None]
    for (_, role), name in sorted(candidates, key=lambda candidate: candidate[0][0]):
        if role not in chosen and (main is None or not _runs(str(scripts[main]), str(scripts[name]), name)):
            chosen[role] = name
    taken = set(chosen.values())
    others = [name for name in scripts if name not in taken and (name in MAIN or _role(name) is not None)]
    return chosen, others


def _role(name: str) -> tuple[int, str] | None:
    """Return the role that a script's name tells, after its rank among the scripts of that role."""
    if name in _ROLES:
        return 0, name
    first, separator, second = next((parts for mark in ":-_." if (parts := name.partition(mark))[1]), (name, "", ""))
    for verb, role in ((first, second), (second, first)):
        if separator and verb in _VERBS and role in _ROLES_WITH_VERB:
            return 1 + _VERBS.index(verb), role
    return None


def _runs(main: str, script: str, name: str) -> bool:
    group = re.escape(name.partition(":")[0] + ":*")
    return main == script or re.search(rf"(?<![\w./-])({re.escape(name)}(?![\w./:-])|{group})", main) is not None


def is_plain(name: str) -> bool:
    """Return whether a script's name is a word, which needs no quotes in a shell or a comment."""
    return _PLAIN.fullmatch(name) is not None
