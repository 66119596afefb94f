"""What other tools watch -> `watch` rules: `develop.watch` of Compose, `watch` of process-compose; pure."""

from __future__ import annotations

import posixpath
from typing import Any

from sbxcompose.convert import health
from sbxcompose.convert.compose_files import project_path
from sbxcompose.convert.draft import ProcessDraft
from sbxcompose.convert.hosts import command_with_local_hosts
from sbxcompose.convert.paths import Paths
from sbxcompose.convert.values import escaped, get, is_true, optional, strings, text
from sbxcompose.spec.nodes import Mapping, Node, Sequence

_WATCHED_BY_COMMAND = "watched by `up --watch`, or by `sbxcompose watch` beside `up -d`"


def add_compose_watch(process: ProcessDraft, develop: Node, paths: Paths, hosts: dict[str, dict[int, int]]) -> None:
    """Set `watch` from `develop`: what is only copied into a container is seen here as it is."""
    rules: list[Any] = []
    for rule in _items(get(develop, "watch")):
        path = project_path(get(rule, "path"))
        action = text(get(rule, "action"))
        if action == "sync":
            process.dropped("develop", f"`{path}` need not be copied: processes see the project as it is", rule)
            continue
        if (command := _command(get(rule, "exec", "command"), paths)) is not None and action == "sync+exec":
            process.changed("develop", f"`{path}`: the process is restarted after the command of `exec`", rule)
            rules.append(_rule(path, rule, "ignore", run=command_with_local_hosts(command, hosts)))
            continue
        if action == "rebuild":
            process.changed("develop", f"`{path}`: the process is restarted, and nothing is built", rule)
        rules.append(_rule(path, rule, "ignore"))
        _note_included(process, "develop", rule)
    process.set("watch", rules)
    if rules:
        process.changed("develop", _WATCHED_BY_COMMAND, develop)


def add_process_compose_watch(process: ProcessDraft, watch: Node) -> None:
    """Set `watch` from the key of the same name, whose paths start at the working directory."""
    rules: list[Any] = []
    timing: dict[str, Any] = {}
    if (debounce := health.duration(text(get(watch, "debounce")))) is not None:
        timing["debounce"] = debounce
    for item in _items(get(watch, "paths")):
        path = text(item) or text(get(item, "path")) or "."
        folder = process.keys.get("workdir", ".")
        path = posixpath.normpath(posixpath.join(folder, escaped(path)))
        rules.append(_rule(path, item, "exclude", **timing))
        _note_included(process, "watch", item)
    process.set("watch", rules)
    if is_true(get(watch, "cascade")):
        process.set("restart_dependents", True)
        process.changed("watch.cascade", "dependents restart whenever this process is restarted", watch)
    if is_true(get(watch, "disable_default_excludes")):
        words = 'add what else to watch to `ignore`, as in `ignore: ["!node_modules"]`'
        process.todo("watch.disable_default_excludes", words, watch)
    if rules:
        process.changed("watch", _WATCHED_BY_COMMAND, watch)


def _items(node: Node | None) -> list[Node]:
    return node.items if isinstance(node, Sequence) else []


def _rule(path: str, node: Node, ignored: str, **others: Any) -> Any:
    """Return a rule in its shortest form. `ignored`: the key of patterns that do not count."""
    patterns = strings(get(node, ignored))
    keys = {**({"ignore": patterns} if patterns else {}), **others}
    return {"path": path, **keys} if keys else path


def _note_included(process: ProcessDraft, key: str, node: Node) -> None:
    if isinstance(node, Mapping) and (patterns := strings(node.get("include"))):
        listed = ", ".join(f"`{pattern}`" for pattern in patterns)
        process.todo(f"{key}.include", f"only {listed} counted: write what does not count into `ignore`", node)


def _command(node: Node | None, paths: Paths) -> str | list[str] | None:
    if isinstance(node, Sequence):
        return [paths.rewrite(optional(word)) for word in strings(node)]
    return paths.rewrite(optional(words)) if (words := text(node)) is not None else None
