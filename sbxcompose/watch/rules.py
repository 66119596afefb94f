"""Changed paths + rules -> which processes are to do what, and because of which files; pure."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from sbxcompose.spec.project import DEBOUNCE, Project, WatchRule

HEAVY = (
    *("node_modules", "bower_components", "__pycache__", "*.py[cod]", ".venv", "venv", ".tox", ".nox", ".eggs"),
    *("*.egg-info", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".git", ".hg", ".svn", ".jj"),
    *(".direnv", ".gradle", ".terraform", ".next", ".nuxt", ".svelte-kit", ".parcel-cache", ".turbo"),
)
"""Generated directories, ignored by default; a rule includes one again with `ignore: ["!node_modules"]`."""
TEMPORARY = (
    *("*~", ".*.sw?", "4913", ".#*", "\\#*#", "*___jb_tmp___", "*___jb_old___", ".goutputstream-*", ".subl*.tmp"),
    ".DS_Store",
)
"""What editors (vim, Emacs, JetBrains', GNOME's, Sublime Text) write beside the file that is saved."""
DEFAULT_IGNORES = (*HEAVY, *TEMPORARY)

Key = tuple[str, str]
"""A process: its sandbox and its name."""


class Root(Struct, frozen=True):
    """A file or folder to watch: an absolute path, and the patterns of what does not count below it.

    A change counts after `debounce` seconds without another.
    """

    path: str
    ignore: tuple[str, ...] = ()
    debounce: float = DEBOUNCE


class Watched(Struct, frozen=True):
    """A rule of a process, and the place that it is about."""

    process: Key
    rule: WatchRule
    root: Root


class Reaction(Struct, frozen=True):
    """What a process is to do, in this order: copy, run commands, then get a new run, or signals.

    `paths` are the files that it is because of.
    """

    process: Key
    paths: tuple[str, ...]
    sync: bool = False
    run: tuple[tuple[str, ...], ...] = ()
    restart: bool = False
    signals: tuple[int, ...] = ()


def watched(project: Project, processes: Iterable[Key]) -> tuple[Watched, ...]:
    """Return the rules of these processes of a project."""
    every = {(process.sandbox, process.name): process for process in project.every_process()}
    return tuple(
        Watched(key, rule, root_of(rule, project.directory))
        for key in processes
        if key in every
        for rule in every[key].watch
    )


def root_of(rule: WatchRule, directory: str) -> Root:
    """Return the place that a rule of a project in `directory` is about."""
    path = os.path.normpath(os.path.join(directory, rule.path))
    return Root(path, (*DEFAULT_IGNORES, *rule.ignore), rule.debounce)


def decide(rules: Sequence[Watched], changed: Mapping[Root, Sequence[str]]) -> list[Reaction]:
    """Return what each process does about the paths that have changed below roots; in the order of the rules.

    Of several rules of one process all copy and all run; a new run makes signals needless.
    """
    hit: dict[Key, list[Watched]] = {}
    for rule in rules:
        if changed.get(rule.root):
            hit.setdefault(rule.process, []).append(rule)
    return [_reaction(process, own, changed) for process, own in hit.items()]


def _reaction(process: Key, hit: Sequence[Watched], changed: Mapping[Root, Sequence[str]]) -> Reaction:
    rules = [hit_rule.rule for hit_rule in hit]
    restart = any(rule.action in ("restart", "sync+restart", "run") for rule in rules)
    signals = dict.fromkeys(rule.signal for rule in rules if rule.action == "signal" and rule.signal is not None)
    return Reaction(
        process,
        tuple(dict.fromkeys(path for hit_rule in hit for path in changed[hit_rule.root])),
        sync=any(rule.action in ("sync", "sync+restart") for rule in rules),
        run=tuple(dict.fromkeys(rule.run for rule in rules if rule.action == "run")),
        restart=restart,
        signals=() if restart else tuple(signals),
    )


def because(paths: Sequence[str], directory: str) -> str:
    """`site/app.py changed`, `site/app.py and site/b.py changed`, `10 000 files changed`."""
    if len(paths) > 3:
        return f"{len(paths):,} files changed".replace(",", " ")
    names = [_shown(path, directory) for path in paths]
    return f"{' and '.join(filter(None, [', '.join(names[:-1]), names[-1]]))} changed"


def _shown(path: str, directory: str) -> str:
    relative = os.path.relpath(path, directory)
    return path if relative.startswith("../..") else relative


def merged(earlier: Reaction, later: Reaction) -> Reaction:
    """Both reactions of one process as one; the later change comes first in the words."""
    restart = earlier.restart or later.restart
    return Reaction(
        later.process,
        tuple(dict.fromkeys((*later.paths, *earlier.paths))),
        sync=earlier.sync or later.sync,
        run=tuple(dict.fromkeys((*earlier.run, *later.run))),
        restart=restart,
        signals=() if restart else tuple(dict.fromkeys((*earlier.signals, *later.signals))),
    )
