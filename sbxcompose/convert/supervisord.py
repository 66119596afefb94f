"""supervisord configurations -> a draft of this project's file; pure."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable
from typing import Any

from sbxcompose.convert.draft import NoteKind, ProcessDraft, ProjectDraft, placeholder
from sbxcompose.convert.values import escaped, plain_names, whole
from sbxcompose.spec.nodes import Document, Node, Scalar
from sbxcompose.spec.units import format_duration

_UNKNOWN = re.compile(r"%\((?!program_name\)|here\)|process_num\)|ENV_\w+\))\w+\)\w+")
_LOGS = ("stdout_logfile", "stderr_logfile", "redirect_stderr", "stdout_logfile_maxbytes", "stdout_logfile_backups")


_CONVERTED = frozenset(
    (
        *("command", "directory", "user", "environment", "numprocs", "autostart", "autorestart", "startretries"),
        *("stopsignal", "stopwaitsecs", "exitcodes", "priority", *_LOGS),
    )
)
_DROPPED = {
    "process_name": "replicas are called NAME.1, NAME.2",
    "numprocs_start": "replicas count from 1",
    "stopasgroup": "what a process has started always ends with it",
    "killasgroup": "what a process has started always ends with it",
    **dict.fromkeys(
        ("stdout_capture_maxbytes", "stdout_events_enabled", "stdout_syslog", "stderr_logfile_maxbytes",
         "stderr_logfile_backups", "stderr_capture_maxbytes", "stderr_events_enabled", "stderr_syslog"),
        "logs are kept; see `sbxcompose logs`",
    ),
}  # fmt: skip
_REMEDIES = {
    "priority": "name what it needs in `depends_on`",
    "startsecs": "a process counts as started after a second: `ready_when` or `health_check` tell more",
}


class _Places:
    """The lines of a file at which keys stand."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._lines: dict[tuple[str, str], int] = {}
        section = ""
        for number, line in enumerate(document.text.splitlines(), 1):
            if (heading := re.match(r"\[(.+)\]", line)) is not None:
                section = heading[1]
                self._lines.setdefault((section, ""), number)
            elif (key := re.match(r"([^\s;#=:][^=:]*?)\s*[=:]", line)) is not None:
                self._lines[section, key[1].lower()] = number

    def of(self, section: str, key: str = "") -> Scalar | None:
        """Return the place of a key, or of a section."""
        line = self._lines.get((section, key)) or self._lines.get((section, ""))
        return None if line is None else Scalar(self._document, line, 1, key, key)


def convert_supervisord(document: Document) -> ProjectDraft:
    """Convert a supervisord configuration. Raises `configparser.Error`."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",), strict=False)
    parser.read_string(document.text)
    draft, places = ProjectDraft(), _Places(document)
    programs = [section for section in parser.sections() if section.startswith("program:")]
    unique = plain_names(section.partition(":")[2].strip() for section in programs)
    names = {section: unique[section.partition(":")[2].strip()] for section in programs}
    for section in parser.sections():
        kind = section.partition(":")[0]
        if kind == "program":
            process, keys = draft.process(names[section]), dict(parser.items(section))
            _program(process, keys, lambda key, section=section: places.of(section, key))  # type: ignore[misc]
        elif kind == "include":
            files = parser.get(section, "files", fallback="its files")
            words = f"convert {files} one by one, and name the results in `include`"
            draft.note(NoteKind.MANUAL, f"[{section}]", words, places.of(section))
        elif kind == "group":
            words = "groups are not supported; use `profiles` to start some processes only"
            draft.note(NoteKind.CHANGED, f"[{section}]", words, places.of(section))
        elif kind in ("eventlistener", "fcgi-program"):
            draft.note(NoteKind.MANUAL, f"[{section}]", "no counterpart", places.of(section))
    return draft


def _program(process: ProcessDraft, keys: dict[str, str], place: Callable[[str], Node | None]) -> None:
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
        process.todo("numprocs", f"`{keys['numprocs']}` is not a number: set `replicas`", place("numprocs"))
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
    _notes(process, keys, place)


def _notes(process: ProcessDraft, keys: dict[str, str], place: Callable[[str], Node | None]) -> None:
    for key, value in keys.items():
        if key in _LOGS and not any(other in list(keys)[: list(keys).index(key)] for other in _LOGS):
            process.dropped(key, "logs are kept; `sbxcompose logs NAME > FILE` writes a file", place(key))
        elif key in _DROPPED:
            process.dropped(key, _DROPPED[key], place(key))
        elif key in _REMEDIES or key not in _CONVERTED:
            process.todo(key, _REMEDIES.get(key, "no counterpart"), place(key))
        elif key in ("startretries", "stopwaitsecs") and whole(value) is None:
            process.todo(key, f"`{value}` is not a number, and is left out", place(key))
        elif key == "autorestart" and value.lower() not in ("true", "false", "unexpected"):
            process.todo(key, f"`{value}` is unknown: it is restarted on failure", place(key))
        elif (name := _UNKNOWN.search(value)) is not None and key in ("command", "directory", "environment"):
            process.todo(key, f"`{name[0]}` has no counterpart: write what it stands for", place(key))


def _assignments(value: str) -> dict[str, str]:
    """Read `A="1",B=2`."""
    found = re.findall(r"""(\w+)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,]*)""", value)
    return {name: word.strip().strip("\"'") for name, word in found}
