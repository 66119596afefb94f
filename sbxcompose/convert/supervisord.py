"""supervisord configurations -> a draft of this project's file; pure."""

from __future__ import annotations

import configparser
import re
from typing import Any

from sbxcompose.convert.draft import NoteKind, ProcessDraft, ProjectDraft, placeholder
from sbxcompose.convert.values import escaped, plain_names, whole
from sbxcompose.spec.units import format_duration

_LOGS = ("stdout_logfile", "stderr_logfile", "redirect_stderr", "stdout_logfile_maxbytes", "stdout_logfile_backups")


def convert_supervisord(lines: str) -> ProjectDraft:
    """Convert a supervisord configuration. Raises `configparser.Error`."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",), strict=False)
    parser.read_string(lines)
    draft = ProjectDraft()
    programs = [section for section in parser.sections() if section.startswith("program:")]
    unique = plain_names(section.partition(":")[2].strip() for section in programs)
    names = {section: unique[section.partition(":")[2].strip()] for section in programs}
    for section in parser.sections():
        kind = section.partition(":")[0]
        if kind == "program":
            _program(draft.process(names[section]), dict(parser.items(section)))
        elif kind == "include":
            files = parser.get(section, "files", fallback="its files")
            words = f"convert {files} one by one, and name the results in `include`"
            draft.note(NoteKind.MANUAL, f"[{section}]", words)
        elif kind == "group":
            words = "groups are not supported; use `profiles` to start some processes only"
            draft.note(NoteKind.CHANGED, f"[{section}]", words)
        elif kind in ("eventlistener", "fcgi-program"):
            draft.note(NoteKind.MANUAL, f"[{section}]", "no counterpart")
    return draft


def _program(process: ProcessDraft, keys: dict[str, str]) -> None:
    def expanded(value: str, dollar: str = "$") -> str:
        value = value.replace("%(program_name)s", process.name).replace("%(here)s", ".").replace("%%", "%")
        value = escaped(re.sub(r"%\(process_num\)\d*d", "%(ENV_SBXCOMPOSE_REPLICA)s", value))
        return re.sub(r"%\(ENV_(\w+)\)s", lambda found: f"{dollar}{{{found[1]}:-}}", value)

    command = expanded(keys.get("command", ""), "$$")
    process.set("command", command or placeholder(process.name, "`command` is missing"))
    process.set("workdir", expanded(keys["directory"]) if "directory" in keys else None)
    process.set("user", keys.get("user"))
    process.set_env({name: expanded(value) for name, value in _assignments(keys.get("environment", "")).items()})
    count = whole(keys.get("numprocs", "1"))
    process.set("replicas", count if count != 1 else None)
    if count is None:
        process.todo("numprocs", f"`{keys['numprocs']}` is not a number: set `replicas`")
    if keys.get("autostart", "true").lower() == "false":
        process.keys["autostart"] = False
    policy = {"true": "always", "false": "never"}.get(keys.get("autorestart", "").lower(), "on_failure")
    retries = whole(keys.get("startretries"))
    counted = retries is not None and policy != "never"
    process.set("restart", {"policy": policy, "max_restarts": retries} if counted else policy)
    stop: dict[str, Any] = {}
    if "stopsignal" in keys:
        stop["signal"] = f"SIG{keys['stopsignal'].removeprefix('SIG')}"
    if (grace := whole(keys.get("stopwaitsecs"))) is not None:
        stop["grace"] = format_duration(grace)
    process.set("stop", stop)
    codes = [int(code) for code in re.findall(r"\b[0-9]{1,3}\b", keys.get("exitcodes", ""))]
    process.set("success_exit_codes", codes if codes not in ([], [0]) else None)
    if any(key in keys for key in _LOGS):
        process.dropped("stdout_logfile", "logs are kept; `sbxcompose logs NAME > FILE` writes a file")
    if "priority" in keys:
        process.todo("priority", "name what it needs in `depends_on`")
    for key in ("umask", "serverurl"):
        if key in keys:
            process.todo(key, "no counterpart")


def _assignments(value: str) -> dict[str, str]:
    """Read `A="1",B=2`."""
    found = re.findall(r"""(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]*)""", value)
    return {name: word.strip().strip("\"'") for name, word in found}
