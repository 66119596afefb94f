"""pm2 ecosystem files -> a draft of this project's file; pure. JavaScript is read, never run."""

from __future__ import annotations

import re
import shlex
from typing import Any

from sbxcompose.convert.draft import NoteKind, ProcessDraft, ProjectDraft, placeholder
from sbxcompose.convert.values import escaped, get, is_true, number, pairs, plain_name, strings, text, whole
from sbxcompose.spec.nodes import Mapping, Node, Sequence
from sbxcompose.spec.path_patterns import directory_of, is_pattern
from sbxcompose.spec.units import format_duration

_CONVERTED = frozenset(
    (
        *(
            "name",
            "script",
            "args",
            "interpreter",
            "node_args",
            "interpreter_args",
            "cwd",
            "env",
            "instances",
            "autorestart",
            "watch",
        ),
        *("max_restarts", "restart_delay", "exp_backoff_restart_delay", "kill_timeout", "ignore_watch", "exec_mode"),
    )
)


def convert_pm2(root: Node) -> ProjectDraft:
    """Convert a pm2 ecosystem file: the object that it exports, read without running it."""
    draft = ProjectDraft()
    apps = get(root, "apps") or get(root, "pm2") or root
    found = [app for app in (apps.items if isinstance(apps, Sequence) else [apps]) if isinstance(app, Mapping)]
    found = [app for app in found if app is not root or "script" in app.entries]
    for index, app in enumerate(found):
        name = plain_name(text(app.get("name")) or f"app{index + 1}")
        while name in draft.processes:
            name = f"{name[:60]}-2"
        _app(draft.process(name), app)
    if get(root, "deploy") is not None:
        draft.note(NoteKind.DROPPED, "deploy", "deployment has no counterpart", get(root, "deploy"))
    return draft


def _app(process: ProcessDraft, app: Mapping) -> None:
    script = text(app.get("script"))
    if script is None:
        process.todo("script", "`script` is missing", app)
    process.set("command", _command(app, script) if script else placeholder(process.name, "`script` is missing"))
    process.set("workdir", text(app.get("cwd")))
    process.set_env({key: value and escaped(value) for key, value in pairs(app.get("env")).items()}, app.get("env"))
    replicas = text(app.get("instances"))
    if (count := whole(replicas)) is not None:
        process.set("replicas", count if count > 1 else None)
    elif replicas is not None:
        process.todo("instances", f"`{replicas}` is a number of processors: write a number", app.get("instances"))
    restart: dict[str, Any] = {"policy": "never" if text(app.get("autorestart")) == "false" else "always"}
    if (limit := number(app.get("max_restarts"))) is not None:
        restart["max_restarts"] = int(limit)
    if (pause := number(app.get("restart_delay")) or number(app.get("exp_backoff_restart_delay"))) is not None:
        restart["initial_backoff"] = format_duration(pause / 1000)
    process.set("restart", restart if len(restart) > 1 else restart["policy"])
    if (grace := number(app.get("kill_timeout"))) is not None:
        process.set("stop", {"grace": format_duration(grace / 1000), "signal": "SIGINT"})
    _watched(process, app)
    for key, value in app.entries.items():
        if key in ("out_file", "error_file", "log_file", "merge_logs", "log_date_format", "time"):
            process.dropped(key, "logs are kept; see `sbxcompose logs`", value[1])
        elif key in ("max_memory_restart", "cron_restart", "wait_ready", "listen_timeout"):
            process.todo(key, "no counterpart", value[1])
        elif key.startswith("env_"):
            process.todo(key, f"put these variables into a file, and name it with `--env-file`: {key}", value[1])
        elif key == "exec_mode" and text(value[1]) == "cluster":
            process.todo(key, "replicas do not share a port: use `port`, which gives each its own", value[1])
        elif key not in _CONVERTED:
            process.dropped(key, "no counterpart", value[1])


def _command(app: Mapping, script: str) -> str:
    interpreter = text(app.get("interpreter"))
    arguments = app.get("args")
    words = strings(arguments) if isinstance(arguments, Sequence) else [text(arguments) or ""]
    rest = " ".join(shlex.quote(word) for word in words) if isinstance(arguments, Sequence) else words[0]
    options = " ".join((*strings(app.get("node_args")), *strings(app.get("interpreter_args"))))
    if interpreter == "none":
        begin = script
    elif interpreter is not None:
        begin = " ".join(filter(None, (interpreter, options, script)))
    elif script.endswith((".js", ".cjs", ".mjs")) or ("/" in script and "." not in script.rpartition("/")[2]):
        begin = " ".join(filter(None, ("node", options, script)))
    elif script.endswith(".py"):
        begin = f"python3 {script}"
    elif script.endswith(".ts"):
        begin = f"npx tsx {script}"
    else:
        begin = script
    return escaped(f"{begin} {rest}".strip())


def _watched(process: ProcessDraft, app: Mapping) -> None:
    watch = app.get("watch")
    paths = ["."] if is_true(watch) else strings(watch) if isinstance(watch, Sequence) else []
    if any(map(is_pattern, paths)):
        process.changed("watch", "patterns became the directories that they look in; `ignore` takes patterns", watch)
        paths = list(dict.fromkeys(map(directory_of, paths)))
    ignored = strings(app.get("ignore_watch"))
    process.set("watch", [{"path": path, "ignore": ignored} if ignored else path for path in paths])


def exported_object(script: str) -> str | None:
    """Return the object that a JavaScript file exports as YAML reads it (JSON with comments removed); None if the
    file computes.
    """
    text_only = without_comments(script)
    found = re.search(r"(?:module\.exports\s*=|export\s+default)\s*", text_only)
    if found is None or "require(" in text_only or "process.env" in text_only or "`" in text_only:
        return None
    # The lines before the object are kept, so that places in it are those of the file.
    before, literal = text_only[: found.end()], text_only[found.end() :].rstrip().rstrip(";")
    return "\n" * before.count("\n") + re.sub(r"(?<![\w\"'])([A-Za-z_$][\w$]*)\s*:(?=\S)", r"\1: ", literal)


def without_comments(script: str) -> str:
    """Return JavaScript or JSON without its comments; each line stays in its place."""
    pattern = r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|//[^\n]*|/\*[\s\S]*?\*/"""
    return re.sub(pattern, lambda found: found[1] or "\n" * found[0].count("\n"), script)
