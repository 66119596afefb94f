"""Keys of other tools in a file of ours: each is answered with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel

from sbxcompose.spec.base_models import Strict
from sbxcompose.spec.foreign_keys import _OF_MODEL, _RENAMED, hint
from sbxcompose.spec.models import ProjectModel
from tests.support.cases import each_case
from tests.support.spec_files import hints


def models(parent: type[BaseModel] = Strict) -> Iterator[type[BaseModel]]:
    for model in parent.__subclasses__():
        yield model
        yield from models(model)


def keys(model: type[BaseModel]) -> set[str]:
    return {info.alias or name for name, info in model.model_fields.items()}


ALL = {model.__name__: keys(model) for model in models()}
EVERY_KEY = set().union(*ALL.values())


@each_case(
    "keys,words",
    [
        ("environment: {}", "`env`"),
        ("cwd: x", "`workdir`"),
        ("shell: x", "`command`"),
        ("scale: 2", "`replicas`"),
        ("image: x", "nothing is pulled"),
        ("ports: ['1:2']", "no port is mapped"),
        ("volumes: [a]", "remove it"),
        ("deploy: {}", "`resources` of a sandbox"),
        ("cpuset: '0'", "in a sandbox"),
        ("stop_command: x", "`stop: {command: ...}`"),
        ("disabled: true", "`autostart: false`"),
        ("namespace: x", "`profiles: [NAME]`"),
        ("is_tty: true", "`tty: true`"),
        ("exitcodes: [0, 2]", "`success_exit_codes: [0, ...]`"),
        ("exit_on_end: true", "`stop_all_on: exit`"),
        ("restart: {policy: never, exit_on_failure: true}", "`stop_all_on: failure`"),
        ("is_daemon: true", "in the foreground"),
        ("is_interactive: true", "`stdin: pipe`"),
        ("log_location: x", "`sbxcompose logs NAME > FILE`"),
        ("ready_log_line: x", "`ready_when: {log: ...}`"),
        ("healthcheck: {test: x}", "`health_check`"),
        ("health_check: {test: x, tcp: 1}", "`exec`"),
        ("health_check: {tcp: 1, success_threshold: 2}", "one success is enough"),
        ("health_check: {http_get: {}, tcp: 1}", "`http`"),
        ("health_check: {http: {port: 1, scheme: http}}", "remove it"),
        ("health_check: {tcp: 1, retries: 3}", "`failure_threshold`"),
        ("stop: {timeout_seconds: 5}", "`grace`"),
        ("restart: {condition: any}", "`policy`"),
        ("restart: {backoff_seconds: 2}", "`initial_backoff`"),
        ("watch: [{path: src, include: ['*.py']}]", "`ignore: [...]`"),
        ("watch: ['src/**/*.py']", "did you mean `src`?"),
        ("watch: ['*.py']", "did you mean `.`?"),
        ("watch: ['/*/x']", "did you mean `/`?"),
        ("ready_when: {log: x, tcp: 1}", "`health_check`"),
        ("ready_when: {log: x, success_threshold: 3}", "remove it: it is tried as long as"),
        ("ready_when: {exec: x, grace: 3}", "write `grace` in `stop`"),
        ("success_threshold: 2", "remove it: one success is enough"),
        ("interval: 2", "write `interval` in `health_check`"),
        ("period_seconds: 2", "write `interval` in `health_check`"),
        ("max_restarts: 2", "write `max_restarts` in `restart`"),
        ("exp_backoff_restart_delay: 2", "write `initial_backoff` in `restart`"),
        ("signal: SIGINT", "write `signal` in `stop` or `watch`"),
        ("test: x", "`health_check: {exec: ...}`"),
        ("timeout: 3", "`timeout` belongs to a sandbox"),
        ("health_check: {tcp: 1, url: x}", "`http: {port: 8000, path: /}`"),
        ("restart: {policy: always, retries: 3}", "did you mean `max_restarts`?"),
        ("container_name: x", "remove it"),
        ("priority: 1", "`depends_on`"),
    ],
)
def test_a_key_in_a_process(keys: str, words: str) -> None:
    (found,) = hints(f"processes: {{web: {{command: x, {keys}}}}}")
    assert words in (found or "")


def test_a_process_without_a_command_may_be_another_one_misspelt() -> None:
    both = "processes: {{worker: {{command: x}}, {}: {{env: {{A: b}}}}}}"
    assert hints(both.format("wroker")) == ["did you mean `worker`?"]
    assert hints(both.format("cache")) == ["say what runs: `command: ...`"]


@each_case("key", ["version: '3'", "volumes: {}", "networks: {}", "log_level: info", "is_strict: true"])
def test_a_key_at_the_top(key: str) -> None:
    (found,) = hints(f"{key}\nprocesses: {{web: {{command: x}}}}")
    assert (found or "").startswith("remove it")


@each_case("name", _OF_MODEL)
def test_hints_are_for_keys_that_do_not_exist_and_name_keys_that_do(name: str) -> None:
    assert not ALL[name] & _OF_MODEL[name].keys()
    for text in _OF_MODEL[name].values():
        named = re.findall(r"`([a-z_]+)[:`]", text)
        assert set(named) <= EVERY_KEY, text
        assert all(word in ALL[name] for word in re.findall(r"did you mean `(\w+)`", text)), text


def test_renamed_keys_do_not_exist_and_have_a_counterpart() -> None:
    assert set(_RENAMED.values()) <= EVERY_KEY
    for key, ours in _RENAMED.items():
        assert not any(key in known and ours in known for known in ALL.values()), key


FOREIGN = """
attach blkio_config build cpu_count cpu_quota cap_add cgroup_parent configs container_name deploy develop devices dns
dns_opt entrypoint environment expose extra_hosts gpus healthcheck hostname image init label_file links logging
mem_limit memswap_limit network_mode networks oom_score_adj pid platform ports post_start pre_stop privileged
pull_policy scale shm_size stdin_open stop_grace_period stop_signal tmpfs ulimits volumes working_dir
availability disable_ansi_colors disable_env_expansion disabled is_daemon is_dotenv_disabled is_elevated
is_interactive is_tty launch_timeout_seconds liveness_probe log_configuration log_location namespace readiness_probe
ready_log_line schedule shutdown title vars success_threshold failure_threshold period_seconds
autorestart directory exitcodes killasgroup numprocs priority process_name redirect_stderr startretries startsecs
stderr_events_enabled stderr_logfile_maxbytes stdout_logfile stdout_syslog stopasgroup stopsignal stopwaitsecs umask
args cron_restart env_production error_file exec_mode exp_backoff_restart_delay gid ignore_watch instance_var
instances interpreter kill_timeout listen_timeout log_date_format max_memory_restart max_restarts merge_logs
min_uptime name node_args pid_file restart_delay script time uid vizion wait_ready watch_delay
add_path cmd cwd shell auto_restart can_die formation port_base
"""
"""Keys of a service or process in Compose, process-compose, supervisord, pm2, mprocs and overmind."""


@each_case("key", [key for key in FOREIGN.split() if key not in ALL["ProcessModel"]])
def test_no_hint_for_a_key_of_another_tool_only_lists_what_is_known(key: str) -> None:
    (found,) = hints(f"processes: {{web: {{command: x, {key}: 1}}}}")
    assert found is not None
    assert not found.startswith("known here"), found


def test_a_key_that_no_tool_has() -> None:
    assert hint("nonsense", "ProcessModel", ALL["ProcessModel"]) is None
    assert hint("environment", "ProjectModel", keys(ProjectModel)) == "did you mean `env`?"
