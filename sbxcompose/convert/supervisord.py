"""supervisord configurations -> ours; pure."""

from __future__ import annotations

import configparser
import re
from typing import Any

from sbxcompose.convert.draft import NoteKind, ProcessDraft, ProjectDraft, placeholder
from sbxcompose.convert.values import escaped, plain_name
from sbxcompose.spec.units import format_duration

_LOGS = ("stdout_logfile", "stderr_logfile", "redirect_stderr", "stdout_logfile_maxbytes", "stdout_logfile_backups")


def convert_supervisord(lines: str) -> ProjectDraft:
    """Convert a supervisord configuration. Raises `configparser.Error`."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",), strict=False)
    parser.read_string(lines)
    draft = ProjectDraft()
    for section in parser.sections():
        kind, _, name = section.partition(":")
        if kind == "program":
            _program(draft.process(plain_name(name)), dict(parser.items(section)))
        elif kind in ("group", "eventlistener", "include", "fcgi-program"):
            draft.note(NoteKind.MANUAL, f"[{section}]", "no counterpart")
    return draft


def _program(process: ProcessDraft, keys: dict[str, str]) -> None:
    def expanded(value: str, dollar: str = "$") -> str:
        value = value.replace("%(program_name)s", process.name).replace("%(here)s", ".").replace("%%", "%")
        value = escaped(re.sub(r"%\(process_num\)\d*d", "%(ENV_SBXCOMPOSE_REPLICA)s", value))
        return re.sub(r"%\(ENV_(\w+)\)s", lambda found: f"{dollar}{{{found[1]}:-}}", value)

    command = expanded(keys.get("command", ""), "$$")
    process.set("command", command or placeholder(process.name, "there is no command"))
    process.set("workdir", expanded(keys["directory"]) if "directory" in keys else None)
    process.set("user", keys.get("user"))
    process.set("env", {name: expanded(value) for name, value in _assignments(keys.get("environment", "")).items()})
    process.set("replicas", int(keys["numprocs"]) if keys.get("numprocs", "1") not in ("1", "") else None)
    if keys.get("autostart", "true").lower() == "false":
        process.keys["autostart"] = False
    policy = {"true": "always", "false": "never"}.get(keys.get("autorestart", "").lower(), "on_failure")
    retries = keys.get("startretries", "")
    counted = retries.isdecimal() and policy != "never"
    process.set("restart", {"policy": policy, "max_restarts": int(retries)} if counted else policy)
    stop: dict[str, Any] = {}
    if "stopsignal" in keys:
        stop["signal"] = f"SIG{keys['stopsignal'].removeprefix('SIG')}"
    if keys.get("stopwaitsecs", "").isdecimal():
        stop["grace"] = format_duration(float(keys["stopwaitsecs"]))
    process.set("stop", stop)
    codes = [int(code) for code in re.findall(r"\d+", keys.get("exitcodes", ""))]
    process.set("success_exit_codes", codes if codes not in ([], [0]) else None)
    if any(key in keys for key in _LOGS):
        process.dropped("stdout_logfile", "logs are kept; `sbxcompose logs NAME > FILE` writes a file")
    if "priority" in keys:
        process.todo("priority", "name what it needs in `depends_on`")


def _assignments(value: str) -> dict[str, str]:
    """Read `A="1",B=2`."""
    found = re.findall(r"""(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]*)""", value)
    return {name: word.strip().strip("\"'") for name, word in found}
