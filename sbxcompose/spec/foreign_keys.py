"""Single keys of other tools, as people write them from memory: what to write instead; pure.

`hint` is asked for a key that a model does not know. Whole files of other tools are recognised before
(`spec.foreign_files`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

_OUTPUT = "remove it: output is kept, and `sbxcompose logs NAME > FILE` writes it to a file"
_CONTAINERS = "remove it: it is for containers, and processes run on this machine or in a sandbox"
_GROUP_DIES = "remove it: what a process has started always ends with it"
_OF_A_SANDBOX = "write `resources: {cpus: 2, memory: 2gb}` in a sandbox"
_NAMED_BY_KEY = "remove it: a process is named by its key; a replica is `web.2`"
_DOTENV = "remove it: only a Procfile's processes get the variables of `.env`"
_EXPANSION = "remove it, and write `$$` in a `command` for a dollar sign of the shell"
_BY_EXEC = "remove it: the check is a GET, and a status of 200 to 399 is a success; `exec` checks in any other way"
_OF_PM2 = "remove it: it is for pm2"
_TRIED_UNTIL = "remove it: it is tried as long as the process runs, and `sbxcompose up --wait-timeout` limits the wait"

_RENAMED = {
    "services": "processes",
    "procs": "processes",
    "programs": "processes",
    "apps": "processes",
    **dict.fromkeys(("environment", "environment_variables", "vars", "variables"), "env"),
    "environment_file": "env_file",
    **dict.fromkeys(("working_dir", "working_directory", "cwd", "dir", "directory"), "workdir"),
    **dict.fromkeys(("cmd", "run", "entrypoint", "shell", "script"), "command"),
    **dict.fromkeys(("healthcheck", "readiness_probe", "liveness_probe", "readiness", "liveness"), "health_check"),
    "shutdown": "stop",
    **dict.fromkeys(("scale", "instances", "numprocs", "formation"), "replicas"),
    **dict.fromkeys(("availability", "autorestart", "auto_restart", "restart_policy"), "restart"),
    "title": "description",
    "port_base": "port",
    **dict.fromkeys(("depends", "deps", "needs", "requires", "after", "wait_for"), "depends_on"),
    "develop": "watch",
    **dict.fromkeys(("http_get", "httpGet"), "http"),
    **dict.fromkeys(("tcp_socket", "tcpSocket"), "tcp"),
    **dict.fromkeys(("start_period", "start_delay", "initial_delay_seconds", "initialDelaySeconds"), "initial_delay"),
    **dict.fromkeys(("period", "period_seconds", "periodSeconds", "every"), "interval"),
    **dict.fromkeys(("timeout_seconds", "timeoutSeconds", "timeout_secs"), "timeout"),
    **dict.fromkeys(("retries", "failureThreshold"), "failure_threshold"),
    **dict.fromkeys(
        ("backoff_seconds", "backoff", "delay", "restart_delay", "exp_backoff_restart_delay"), "initial_backoff"
    ),
    **dict.fromkeys(("max_attempts", "max_retries", "startretries"), "max_restarts"),
    **dict.fromkeys(("log_line", "line", "pattern"), "log"),
    **dict.fromkeys(("cpu", "num_cpus"), "cpus"),
    **dict.fromkeys(("mem", "ram", "memory_mb"), "memory"),
    "disk_mb": "disk",
    "readonly": "read_only",
}
"""What other tools call a key of this project's file, where a model has that."""

_OF_MODEL: Mapping[str, Mapping[str, str]] = {
    "ProjectModel": {
        "version": "remove it: it is not needed",
        "volumes": "remove it: processes use the folders of the project as they are",
        "networks": "remove it: processes reach each other at 127.0.0.1",
        "configs": "remove it: processes use the files of the project as they are",
        **dict.fromkeys(("theme", "is_tui_disabled", "keep_project", "sort"), "remove it: it is for process-compose"),
        "is_dotenv_disabled": _DOTENV,
        "disable_env_expansion": _EXPANSION,
        "extends": "write `include: FILE`, or name both files: `-f FILE -f sbxcompose.yaml`",
        "is_strict": "remove it: an unknown key is always a mistake",
        "ordered_shutdown": "remove it: processes always stop in reverse order of their needs",
        "shell": "a `command` that is a string goes through `sh -c`; for another shell write a list: `[bash, -c, ...]`",
        **dict.fromkeys(("log_level", "log_length", "log_location", "log_configuration", "log_format"), _OUTPUT),
    },
    "SandboxModel": {
        "volumes": "folders of the project need no key; `mounts` shows others to a sandbox with `isolation: overlay`",
        "build": "commands that must succeed before anything else starts are `setup`",
        **dict.fromkeys(("cpus", "memory", "mem_limit"), "it belongs into `resources: {cpus: 2, memory: 2gb}`"),
    },
    "ProcessModel": {
        "sandbox": "put the process below its sandbox: `sandboxes: {NAME: {processes: {...}}}`",
        "image": "nothing is pulled on this machine: install the program, and write its `command`",
        "ports": "write `port: 8000`, the one it listens on: no port is mapped (`ports` of a sandbox is for the cloud)",
        "expose": "write `port: 8000`, the one it listens on",
        "volumes": "remove it: processes use the folders of the project as they are",
        "build": "nothing is built: write the `command`, and what must run before in `setup` of a sandbox",
        "deploy": "`replicas` is a key of the process, `resources` of a sandbox",
        **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "mem_swappiness", "memory"), _OF_A_SANDBOX),
        **dict.fromkeys(("cpus", "cpuset", "cpu_shares", "cpu_count", "cpu_percent"), _OF_A_SANDBOX),
        **dict.fromkeys(("cpu_period", "cpu_quota", "cpu_rt_runtime", "cpu_rt_period", "disk"), _OF_A_SANDBOX),
        "namespace": "write `profiles: [NAME]` for `--profile NAME up`, or move it to a sandbox for `up 'NAME/*'`",
        "ready_log_line": "write `ready_when: {log: ...}`",
        "wait_ready": "write `ready_when: {log: ...}`",
        "startsecs": "remove it: a process without a check is ready once it has run for a second",
        "startretries": "write `restart: {max_restarts: 3}`",
        **dict.fromkeys(("stdin_open", "is_interactive", "interactive"), "write `stdin: pipe`"),
        **dict.fromkeys(("is_tty", "terminal", "pty"), "write `tty: true`"),
        **dict.fromkeys(
            ("is_daemon", "is_foreground", "daemon"),
            "remove it: the program must stay in the foreground, for which most have an option",
        ),
        **dict.fromkeys(("log_location", "log_configuration", "logging", "stdout_logfile", "stderr_logfile"), _OUTPUT),
        **dict.fromkeys(("redirect_stderr", "stdout_logfile_maxbytes", "out_file", "error_file", "log_file"), _OUTPUT),
        **dict.fromkeys(("stderr_logfile_maxbytes", "stdout_logfile_backups", "stderr_logfile_backups"), _OUTPUT),
        **dict.fromkeys(("stdout_capture_maxbytes", "stderr_capture_maxbytes", "stdout_events_enabled"), _OUTPUT),
        **dict.fromkeys(("stderr_events_enabled", "stdout_syslog", "stderr_syslog", "log_type"), _OUTPUT),
        **dict.fromkeys(("merge_logs", "combine_logs"), _OUTPUT),
        **dict.fromkeys(("log_date_format", "time"), "remove it: `sbxcompose logs --timestamps` shows times"),
        **dict.fromkeys(
            ("disabled", "is_disabled"), "write `autostart: false`, and start it with `sbxcompose up NAME`"
        ),
        **dict.fromkeys(("name", "process_name"), _NAMED_BY_KEY),
        "pid_file": "remove it: `sbxcompose ps` shows the PID",
        "test": "write `health_check: {exec: ...}`",
        **dict.fromkeys(("uid", "gid"), "write `user: UID:GID`"),
        "is_elevated": "write `command: sudo ...`",
        "is_dotenv_disabled": _DOTENV,
        "disable_env_expansion": _EXPANSION,
        "disable_ansi_colors": 'write `env: {NO_COLOR: "1"}`, which most programs respect',
        "max_memory_restart": "remove it: nothing is restarted because of its memory",
        **dict.fromkeys(
            ("env_production", "env_development"), "write `env_file`, or a second file: `-f sbxcompose.yaml -f FILE`"
        ),
        **dict.fromkeys(("instance_var", "increment_var"), "remove it: `SBXCOMPOSE_REPLICA` has the replica's number"),
        **dict.fromkeys(("source_map_support", "vizion", "post_update", "force", "filter_env"), _OF_PM2),
        **dict.fromkeys(("append_env_to_name",), _OF_PM2),
        "post_start": "write a process of its own, with `depends_on: [NAME]` and `restart: never`",
        "pre_stop": "write `stop: {command: ...}`",
        "can_die": "remove it: the end of a process ends the others only with `stop_all_on`",
        "add_path": "write `env: {PATH: ...}`",
        **dict.fromkeys(("stop_signal", "stopsignal", "kill_signal"), "write `stop: {signal: SIGINT}`"),
        **dict.fromkeys(("stop_grace_period", "stopwaitsecs", "kill_timeout"), "write `stop: {grace: 10s}`"),
        "stop_command": "write `stop: {command: ...}`",
        **dict.fromkeys(("exit_on_end", "exit_on_failure"), "write `stop_all_on: exit`, or `stop_all_on: failure`"),
        **dict.fromkeys(("exitcodes", "stop_exit_codes", "exit_codes"), "write `success_exit_codes: [0, ...]`"),
        "priority": "write `depends_on`: it decides on the order",
        **dict.fromkeys(("stopasgroup", "killasgroup", "treekill", "init"), _GROUP_DIES),
        **dict.fromkeys(
            ("schedule", "cron_restart", "cron"),
            "remove it: there are no schedules; with `autostart: false`, let cron run `sbxcompose start NAME`",
        ),
        **dict.fromkeys(("args", "interpreter_args", "node_args"), "write them in `command`, which takes a list"),
        "interpreter": "write it in `command`, before the script",
        "ignore_watch": "write `watch: [{path: ., ignore: [...]}]`",
        "watch_delay": "write `watch: [{path: ., debounce: 1s}]`",
        "exec_mode": "remove it: `replicas` start side by side, each with a `PORT` of its own",
        **dict.fromkeys(
            ("launch_timeout_seconds", "listen_timeout"), "remove it: `sbxcompose up --wait-timeout` limits the wait"
        ),
        "min_uptime": "remove it: a run that has lasted one second counts as stable",
        **dict.fromkeys(
            ("shutdown_with_message", "stop_signals"), "write `stop: {signal: SIGINT}`, or `stop: {command: ...}`"
        ),
        **dict.fromkeys(("container_name", "hostname", "domainname", "networks", "network_mode"), _CONTAINERS),
        **dict.fromkeys(("platform", "links", "privileged", "cap_add", "cap_drop", "security_opt"), _CONTAINERS),
        **dict.fromkeys(("shm_size", "tmpfs", "devices", "gpus", "extra_hosts", "pull_policy", "runtime"), _CONTAINERS),
        **dict.fromkeys(("dns", "dns_search", "mac_address", "external_links", "volumes_from", "configs"), _CONTAINERS),
        **dict.fromkeys(
            ("ulimits", "sysctls", "pid", "ipc", "uts", "userns_mode", "pids_limit", "cgroup"), _CONTAINERS
        ),
        **dict.fromkeys(("annotations", "group_add", "storage_opt", "read_only", "attach", "label_file"), _CONTAINERS),
        **dict.fromkeys(("blkio_config", "cgroup_parent", "credential_spec", "device_cgroup_rules"), _CONTAINERS),
        **dict.fromkeys(("dns_opt", "driver_opts", "oom_kill_disable", "oom_score_adj"), _CONTAINERS),
        **dict.fromkeys(("use_api_socket", "models"), _CONTAINERS),
        "isolation": "it is a key of a sandbox: `sandboxes: {main: {isolation: overlay, processes: ...}}`",
        "umask": "write `umask 022; ...` in the `command`",
    },
    "HealthCheckModel": {
        **dict.fromkeys(("test", "cmd", "command"), "did you mean `exec`?"),
        "success_threshold": "remove it: one success is enough",
        **dict.fromkeys(("url", "uri", "path"), "write `http: {port: 8000, path: /}`"),
        **dict.fromkeys(("port", "num_port"), "write `tcp: 8000`, or `http: {port: 8000}`"),
        **dict.fromkeys(("host", "hostname"), "remove it: the check is made where the process runs"),
        **dict.fromkeys(("scheme", "method", "headers", "status", "status_code"), _BY_EXEC),
        "start_interval": "remove it: a start is checked often",
        **dict.fromkeys(("disable", "disabled"), "remove the `health_check`"),
    },
    "HttpModel": {
        **dict.fromkeys(("host", "hostname"), "remove it: the check is made where the process runs"),
        "scheme": "remove it: the check is made by HTTP",
        **dict.fromkeys(("url", "uri"), "did you mean `path`?"),
        **dict.fromkeys(("method", "headers", "status", "status_code"), _BY_EXEC),
        **dict.fromkeys(("num_port", "port_number"), "did you mean `port`?"),
    },
    "RestartModel": {
        **dict.fromkeys(("restart", "condition", "when", "mode"), "did you mean `policy`?"),
        **dict.fromkeys(("exit_on_end", "exit_on_failure"), "write `stop_all_on: failure` in the process"),
        "retries": "did you mean `max_restarts`?",
        "interval": "did you mean `initial_backoff`?",
        "window": "remove it: `max_restarts` limits all automatic restarts",
    },
    "StopModel": {
        **dict.fromkeys(("timeout_seconds", "timeout", "grace_period", "timeoutSeconds"), "did you mean `grace`?"),
        "stop_signal": "did you mean `signal`?",
        "parent_only": _GROUP_DIES,
    },
    "ReadyModel": {
        **dict.fromkeys(
            ("http", "tcp", "port", "http_get"), "write it in `health_check`: the process is ready with it"
        ),
        **dict.fromkeys(("command", "cmd", "test"), "did you mean `exec`?"),
        **dict.fromkeys(("interval", "timeout", "period", "period_seconds", "timeout_seconds"), _TRIED_UNTIL),
        **dict.fromkeys(("initial_delay", "initial_delay_seconds", "start_period"), _TRIED_UNTIL),
        **dict.fromkeys(("failure_threshold", "success_threshold", "retries"), _TRIED_UNTIL),
    },
    "WatchModel": {
        "include": "write the directory in `path`, and what to leave out of it in `ignore: [...]`",
        "exclude": "did you mean `ignore`?",
        **dict.fromkeys(("exec", "command"), "did you mean `run`?"),
        **dict.fromkeys(("target", "initial_sync"), "remove it: processes use the folders of the project as they are"),
    },
    "ResourcesModel": {
        **dict.fromkeys(("limits", "reservations"), "write `cpus` and `memory` without it"),
    },
}
"""What to do with a key of other tools, at the place that a model stands for."""


def hint(key: str, model: str, known: Collection[str]) -> str | None:
    """Return what to write instead of a key of another tool, in a model (by its name) that knows the keys `known`."""
    found = _OF_MODEL.get(model, {}).get(key)
    renamed = _RENAMED.get(key)
    return found or (f"did you mean `{renamed}`?" if renamed in known else None)


def hint_below(key: str, below: Mapping[str, Collection[str]], models: Iterable[str]) -> str | None:
    """Return what to write instead of a key that stands a level too high, or in the wrong mapping.

    `below` are the keys of each mapping, `models` the models of these mappings.
    """
    for name in filter(None, (key, _RENAMED.get(key))):
        holders = [f"`{place}`" for place, keys in below.items() if name in keys]
        if holders:
            return f"write `{name}` in {' or '.join(holders)}"
    found = (_OF_MODEL.get(model, {}).get(key, "") for model in models)
    return next((text for text in found if text.startswith(("remove it", "write"))), None)
