"""process-compose files -> a draft of this project's file; pure."""

from __future__ import annotations

import re
from typing import Any

from sbxcompose import signals
from sbxcompose.convert.compose_merge import merged
from sbxcompose.convert.draft import NoteKind, ProcessDraft, ProjectDraft, placeholder
from sbxcompose.convert.values import (
    entries,
    escaped,
    expanded,
    get,
    is_true,
    number,
    pairs,
    plain_names,
    shell_text,
    strings,
    text,
    whole,
)
from sbxcompose.convert.watching import add_process_compose_watch
from sbxcompose.errors import InvalidSpec
from sbxcompose.spec.nodes import Mapping, Node, Sequence
from sbxcompose.spec.units import format_duration

_TOP_DROPPED = {
    "version": "not needed",
    "log_length": "logs are kept on disk",
    **dict.fromkeys(("log_level", "log_location", "log_configuration", "log_format"), "see `sbxcompose logs`"),
    "is_strict": "files are always checked strictly",
    "ordered_shutdown": "processes always stop in reverse dependency order",
    "disable_env_expansion": "dollar signs are literal, and left to the shell in commands",
    **dict.fromkeys(("is_tui_disabled", "theme"), "see `sbxcompose top`"),
}
_TOP_CONVERTED = ("processes", "environment", "vars", "name")
_TOP_MANUAL = {
    "extends": "convert that file, too, and name the result in `include`",
    "env_cmds": "write the variables into `env`, or compute them in the commands: `$$(date)`",
    "shell": "commands go through `sh -c`; for another shell write a list: `[bash, -c, ...]`",
}
_CONVERTED = frozenset(
    (
        *("command", "entrypoint", "description", "working_dir", "environment", "env_file", "is_tty", "is_interactive"),
        *("replicas", "disabled", "availability", "ready_log_line", "readiness_probe", "liveness_probe", "depends_on"),
        *("shutdown", "vars", "success_exit_codes", "name", "disable_env_expansion"),
        *("watch", "extends"),
    )
)
_DROPPED = {
    "log_location": "logs are kept; `sbxcompose logs NAME > FILE` writes a file",
    "log_configuration": "logs are kept; see `sbxcompose logs`",
    "disable_ansi_colors": "use `--no-color`",
    "is_foreground": "`sbxcompose attach NAME` connects a terminal to it",
    "launch_timeout_seconds": "commands are supervised in the foreground",
    "is_dotenv_disabled": "list the variables in `env`",
}
_INNER = {
    ("availability", "exit_on_skipped"): "`up --wait` and `--exit-code-from` fail if something cannot start",
    ("shutdown", "parent_only"): "what a process has started always ends with it",
    ("shutdown", "send_keys"): "write a `stop.command`, or `sbxcompose attach NAME` and type them",
}
"""Keys inside of others that have no counterpart."""
_MISTAKEN = {
    "restart": "availability.restart",
    "env": "environment",
    "workdir": "working_dir",
    "cwd": "working_dir",
    "healthcheck": "readiness_probe",
    "health_check": "readiness_probe",
}
"""Keys that people write from memory, and process-compose ignores."""
_CONDITIONS = {
    "process_started": "started",
    "process_healthy": "ready",
    "process_log_ready": "ready",
    "process_completed": "ended",
    "process_completed_successfully": "completed",
}
_GROUPS = "`profiles` start some processes only, and `stop 'api/*'` means those of a sandbox `api`"
_POLICIES = {"always": "always", "on_failure": "on_failure", "exit_on_failure": "never", "no": "never"}


def convert_process_compose(root: Mapping) -> ProjectDraft:
    """Convert a process-compose file."""
    draft = ProjectDraft()
    variables = {name: value or "" for name, value in pairs(root.get("vars")).items()}
    for key, value in entries(root):
        if key in _TOP_DROPPED:
            draft.note(NoteKind.DROPPED, key, _TOP_DROPPED[key], value)
        elif key not in _TOP_CONVERTED and not key.startswith("x-"):
            draft.note(NoteKind.MANUAL, key, _TOP_MANUAL.get(key, "no counterpart"), value)
    if (name := text(root.get("name"))) is not None and re.fullmatch(r"[a-z][a-z0-9-]*", name):
        draft.top["name"] = name
    is_literal = is_true(root.get("disable_env_expansion"))
    if environment := _environment(root.get("environment"), is_literal):
        draft.top["env"] = environment
    draft.top["env_file"] = [{"path": ".env", "required": False}]
    listed = {name: node for name, node in entries(root.get("processes")) if isinstance(node, Mapping)}
    names = plain_names(listed)
    for process_name, node in listed.items():
        process = draft.process(names[process_name])
        if process.name != process_name:
            process.changed("", f"was called `{process_name}`, which cannot be the name of a process", node)
        _Process(process, _extended(draft, process_name, listed), variables, names, is_literal).convert()
    for name, keys in draft.processes.items():
        _check_needs(draft, name, keys.get("depends_on", {}))
    return draft


def _extended(draft: ProjectDraft, name: str, listed: dict[str, Mapping]) -> Mapping:
    """Return a process laid over those that it extends. Raises `InvalidSpec` if they extend each other."""
    found, trail = listed[name], {name}
    while (extends := found.get("extends")) is not None:
        base = listed.get(text(extends) or "")
        if base is None:
            draft.process(name).todo("extends", f"no such process `{text(extends)}`: copy its keys", extends)
            return found
        if text(extends) in trail:
            raise InvalidSpec([extends.mistake(f"`{text(extends)}` extends itself", "remove one `extends`")])
        trail.add(text(extends) or "")
        found = merged(base, Mapping(found.document, found.line, found.column, _without(found, "extends")))
    return found


def _without(node: Mapping, key: str) -> dict[str, tuple[Node, Node]]:
    return {name: entry for name, entry in node.entries.items() if name != key}


def _check_needs(draft: ProjectDraft, name: str, needs: dict[str, Any]) -> None:
    """Replace conditions that cannot come true here: of a process that is started again whenever it ends."""
    for needed, condition in needs.items():
        restart = draft.processes.get(needed, {}).get("restart")
        policy = restart.get("policy") if isinstance(restart, dict) else restart
        counted = isinstance(restart, dict) and "max_restarts" in restart
        if condition == "ended" and policy == "on_failure" and not counted:
            needs[needed] = "completed"
        elif condition in ("ended", "completed") and policy == "always":
            needs[needed] = "started"
            words = f"`{needed}` is always restarted and never completes: it only has to be started"
            draft.note(NoteKind.MANUAL, f"{name}.depends_on", words)


def _environment(node: Node | None, is_literal: bool) -> dict[str, str | None]:
    plain = escaped if is_literal else expanded
    return {name: plain(value) if value is not None else None for name, value in pairs(node).items()}


class _Process:
    """Converts one process.

    process-compose replaces variables in the whole file, unless told otherwise (`is_literal`). In commands that is left
    to the shell, which has the same variables and those of `environment` as well.
    """

    def __init__(
        self,
        process: ProcessDraft,
        node: Mapping,
        variables: dict[str, str],
        names: dict[str, str],
        is_literal: bool,
    ) -> None:
        self._process = process
        self._node = node
        self._variables = {**variables, **{key: value or "" for key, value in pairs(node.get("vars")).items()}}
        self._names = names
        self._is_literal = is_literal or is_true(node.get("disable_env_expansion"))

    def convert(self) -> None:
        process, node = self._process, self._node
        process.set("description", self._plain(text(node.get("description"))))
        process.set("command", self._command())
        process.set("workdir", self._plain(text(node.get("working_dir"))))
        process.set_env(_environment(node.get("environment"), self._is_literal), node.get("environment"))
        process.set("env_file", strings(node.get("env_file")))
        process.set("tty", is_true(node.get("is_tty")) or is_true(node.get("is_interactive")) or None)
        process.set("stdin", "pipe" if is_true(node.get("is_interactive")) else None)
        codes = [code for word in strings(node.get("success_exit_codes")) if (code := whole(word)) is not None]
        process.set("success_exit_codes", codes if codes != [0] else None)
        replicas = self._number(node, "replicas")
        process.set("replicas", int(replicas) if replicas is not None and replicas != 1 else None)
        scheduled = node.get("schedule")
        if is_true(node.get("disabled")) or (scheduled is not None and not is_true(get(scheduled, "run_on_start"))):
            process.keys["autostart"] = False
        self._availability()
        self._checks()
        self._dependencies()
        self._shutdown()
        if (watch := node.get("watch")) is not None:
            add_process_compose_watch(process, watch)
        self._notes()

    def _plain(self, value: str | None) -> str | None:
        """Return a text that no shell sees."""
        if value is None:
            return None
        return (escaped if self._is_literal else expanded)(self._filled(value)).strip()

    def _shell(self, value: str) -> str:
        """Return a text for a shell."""
        return (escaped if self._is_literal else shell_text)(self._filled(value)).strip()

    def _number(self, node: Node | None, key: str) -> float | None:
        """Return a number; a text that is none, such as a variable, is left to a person."""
        found = get(node, key)
        value = number(found)
        if value is None and (written := text(found)):
            self._process.todo(key, f"`{written}` is not a number, and is left out", found)
        return value

    def _filled(self, value: str) -> str:
        """Replace plain templates: `{{.NAME}}` and `{{ .NAME }}`."""
        return re.sub(r"\{\{\s*\.(\w+)\s*\}\}", lambda found: self._variables.get(found[1], found[0]), value)

    def _command(self) -> str | list[str]:
        command = self._shell(text(self._node.get("command")) or "")
        entrypoint = strings(self._node.get("entrypoint"))
        if not command and entrypoint:
            return [self._plain(word) or "" for word in entrypoint]
        if not command:
            self._process.todo("command", "`command` is missing", self._node)
            return placeholder(self._process.name, "`command` is missing")
        if "{{" in command:
            self._process.todo("command", "holds a template that cannot be filled in", self._node.get("command"))
        return command

    def _availability(self) -> None:
        node = self._node.get("availability")
        word = (text(get(node, "restart")) or "no").lower()
        policy = _POLICIES.get(word, "never")
        restart: dict[str, Any] = {"policy": policy}
        if (pause := self._number(node, "backoff_seconds")) is not None and policy != "never":
            restart["initial_backoff"] = restart["max_backoff"] = format_duration(pause)
        if (limit := self._number(node, "max_restarts")) and policy != "never":
            restart["max_restarts"] = int(limit)
        self._process.set("restart", restart if len(restart) > 1 else policy)
        if is_true(get(node, "exit_on_end")):
            self._process.set("stop_all_on", "exit")
        elif word == "exit_on_failure":
            self._process.set("stop_all_on", "failure")

    def _checks(self) -> None:
        process, node = self._process, self._node
        if (line := text(node.get("ready_log_line"))) is not None:
            process.set("ready_when", {"log": re.escape(line).replace(r"\ ", " ")})
        readiness, liveness = node.get("readiness_probe"), node.get("liveness_probe")
        if isinstance(readiness, Mapping):
            process.set("health_check", self._check(readiness))
        elif isinstance(liveness, Mapping):
            process.set("health_check", self._check(liveness))
        if isinstance(readiness, Mapping) and isinstance(liveness, Mapping):
            process.changed("liveness_probe", "one health check serves as readiness and liveness", liveness)
        if get(readiness, "success_threshold") is not None and number(get(readiness, "success_threshold")) != 1:
            process.changed("readiness_probe.success_threshold", "one success is enough", readiness)

    def _check(self, probe: Mapping) -> dict[str, Any] | None:
        check = self._http(probe) or self._exec(probe)
        if check is None:
            if not isinstance(probe.get("http_get"), Mapping):
                words = "has neither `http_get` nor `exec.command`: write `health_check`"
                self._process.todo("readiness_probe", words, probe)
            return None
        for theirs, ours in (
            ("initial_delay_seconds", "initial_delay"),
            ("period_seconds", "interval"),
            ("timeout_seconds", "timeout"),
        ):
            value = self._number(probe, theirs)
            if value is not None and (value > 0 or ours == "initial_delay"):
                check[ours] = format_duration(value)
        if (threshold := self._number(probe, "failure_threshold")) is not None and threshold >= 1:
            check["failure_threshold"] = int(threshold)
        return check

    def _http(self, probe: Mapping) -> dict[str, Any] | None:
        request = probe.get("http_get")
        if not isinstance(request, Mapping):
            return None
        host, scheme = text(request.get("host")) or "127.0.0.1", text(request.get("scheme")) or "http"
        port = self._filled(text(request.get("port")) or "80")
        path = self._filled(text(request.get("path")) or "/")
        if "{{" in path or not re.fullmatch(r"\d{1,5}|\$\{?\w+.*", port):
            self._process.todo("readiness_probe", f"`{port}{path}` cannot be converted: write `health_check`", request)
            return None
        if request.get("status_code") is not None:
            words = "any status from 200 to 399 is a success: write `exec` to look for another one"
            self._process.todo("readiness_probe.status_code", words, request)
        headers = [f"{name}: {value}" for name, value in pairs(request.get("headers")).items()]
        if headers or scheme.lower() != "http" or host not in ("127.0.0.1", "localhost", "0.0.0.0", "::1"):
            url = f"{scheme}://{host}:{port}{path}"
            given = [word for header in headers for word in ("-H", self._plain(header) or "")]
            return {"exec": ["curl", "-fsk", "-o", "/dev/null", *given, self._plain(url)]}
        if not path.startswith("/"):
            path = f"/{path}"
        return {"http": {"port": int(port) if port.isdecimal() else port, "path": self._plain(path)}}

    def _exec(self, probe: Mapping) -> dict[str, Any] | None:
        command = text(get(probe, "exec", "command")) or text(probe.get("exec"))
        if command is None:
            return None
        folder = text(get(probe, "exec", "working_dir"))
        written = self._shell(command)
        return {"exec": f"cd {self._shell(folder)} && {written}" if folder else written}

    def _dependencies(self) -> None:
        needs: dict[str, Any] = {}
        node = self._node.get("depends_on")
        for name, value in entries(node):
            condition = _CONDITIONS.get(text(get(value, "condition")) or "", "started")
            if name in self._names:
                needs[self._names[name]] = condition
            else:
                self._process.todo("depends_on", f"`{name}` is not in the file", value)
        if isinstance(node, Sequence):
            needs = {self._names[name]: "started" for name in strings(node) if name in self._names}
        self._process.set("depends_on", needs)

    def _shutdown(self) -> None:
        node = self._node.get("shutdown")
        stop: dict[str, Any] = {}
        if (command := text(get(node, "command"))) is not None:
            stop["command"] = self._shell(command)
        if (signal := self._number(node, "signal")) is not None and signal > 0:
            stop["signal"] = signals.name_of(int(signal)) or int(signal)
        if (grace := self._number(node, "timeout_seconds")) is not None:
            stop["grace"] = format_duration(grace)
        self._process.set("stop", stop)

    def _notes(self) -> None:
        process, node = self._process, self._node
        for key, value in entries(node):
            for inner, _ in entries(value):
                if (words := _INNER.get((key, inner))) is not None:
                    process.todo(f"{key}.{inner}", words, value)
            if key in _DROPPED:
                process.dropped(key, _DROPPED[key], value)
            elif key == "namespace":
                process.changed(key, _GROUPS, value)
            elif key == "schedule":
                process.todo(key, f"there are no schedules: let cron run `sbxcompose start {process.name}`", value)
            elif key == "is_daemon" and is_true(value):
                process.todo(key, "run it in the foreground: a process that daemonizes itself is not supervised", value)
            elif key not in _CONVERTED and key != "is_daemon" and not key.startswith("x-"):
                meant = _MISTAKEN.get(key)
                words = f"process-compose does not know it; it may mean `{meant}`" if meant else "no counterpart"
                process.todo(key, words, value)
