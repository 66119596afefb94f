"""The keys `port`, `autostart`, `stop_all_on`, `description`, and what `depends_on` can say."""

from __future__ import annotations

import pytest

from sbxcompose.spec.project import HealthCheck, Project, RestartPolicy
from tests.support.cases import each_case
from tests.support.spec_files import hints, load, mistakes, process, web


def names(project: Project) -> list[str]:
    """The wanted processes."""
    return [one_process.name for one_process in project.processes()]


# -- port --------------------------------------------------------------------------------------------------


def test_each_replica_has_the_next_port_in_its_environment() -> None:
    found = web("port: 8000, replicas: 3")
    assert found.port == 8000
    assert found.replica_env == ((("PORT", "8000"),), (("PORT", "8001"),), (("PORT", "8002"),))
    assert [found.port_of(replica) for replica in (1, 3)] == [8000, 8002]


def test_the_command_line_scales_ports_too() -> None:
    found = process("processes: {web: {command: run, port: 8000}}", scale={"web": 2})
    assert [dict(item)["PORT"] for item in found.replica_env] == ["8000", "8001"]


def test_a_port_may_come_from_a_variable() -> None:
    assert web('port: "${PORT:-8000}"').port == 8000
    assert web('port: "${PORT:-8000}"', {"PORT": "3000"}).port == 3000


def test_a_changed_port_is_another_process() -> None:
    assert len({web(keys).digest for keys in ("replicas: 1", "port: 8000", "port: 8001")}) == 3
    assert web("port: 8000").digest == web("port: 8000, replicas: 2").digest


@each_case(
    "check, expected",
    [
        ("http", HealthCheck("http", 8000)),
        ("tcp", HealthCheck("tcp", 8000)),
        ("{http: true}", HealthCheck("http", 8000)),
        ("{http: /up}", HealthCheck("http", 8000, "/up")),
        ("{http: {path: /up}, interval: 2s}", HealthCheck("http", 8000, "/up", interval=2)),
        ("{tcp: true}", HealthCheck("tcp", 8000)),
        ("{tcp: 9000}", HealthCheck("tcp", 9000)),
        ("{http: 9000}", HealthCheck("http", 9000)),
    ],
)
def test_the_health_check_asks_the_own_port_unless_it_names_one(check: str, expected: HealthCheck) -> None:
    assert web(f"port: 8000, health_check: {check}").health_check == expected


def test_each_replica_is_asked_at_its_own_port() -> None:
    found = web("port: 8000, replicas: 2, health_check: {tcp: 8000}")
    assert [check.port for replica in (1, 2) if (check := found.check_of(replica))] == [8000, 8001]
    fixed = web("port: 8000, replicas: 2, health_check: {tcp: 9000}").check_of(2)
    assert fixed is not None
    assert fixed.port == 9000


def test_a_procfiles_port_gives_way_to_one_of_its_own() -> None:
    files = {"Procfile": "web: run", "sbxcompose.override.yaml": "processes: {web: {port: 8000}}"}
    found = next(iter(load(None, {}, files).processes()))
    assert dict(found.replica_env[0]) == {"PORT": "8000"}


@each_case(
    "keys, message, hint",
    [
        ("port: 0", "3:11: `port` must be at least 1, not the number 0", None),
        ("port: 8000, env: {PORT: 9000}", "3:11: `port` and `env` set different values of PORT", "keep `port` only"),
        ("health_check: http", "3:19: the health check has no port", "give it one, or give the process a `port`"),
        (
            "health_check: {tcp: true}",
            "3:19: the health check has no port",
            "give it one, or give the process a `port`",
        ),
        (
            "port: 65535, replicas: 2",
            "3:5: `web` has 2 replicas from port 65535 on: the last is 65535",
            "choose a lower port",
        ),
    ],
)
def test_ports_that_cannot_be(keys: str, message: str, hint: str | None) -> None:
    lines = "\n".join(f"    {word}" for word in keys.split(", ", 1))
    text = f"processes:\n  web:\n{lines}\n    command: run"
    assert mistakes(text) == [message]
    assert hints(text) == [hint]


def test_the_same_port_in_env_is_fine() -> None:
    assert web("port: 8000, env: {PORT: 8000}").port == 8000


def test_ports_of_two_processes_may_not_overlap() -> None:
    text = """
processes:
  web: {command: run, port: 8000, replicas: 3}
  api: {command: run, port: 8002}
  off: {command: run, port: 8002, autostart: false}
"""
    assert mistakes(text) == ["4:23: `web` (ports 8000 to 8002) and `api` (port 8002) overlap"]


# -- autostart ---------------------------------------------------------------------------------------------

AUTOSTART = """
processes:
  web: {command: run, depends_on: [db]}
  db: {command: run, autostart: false}
  debug: {command: run, autostart: false, depends_on: [tools]}
  tools: {command: run, autostart: false}
  off: {command: run, autostart: false, profiles: [off]}
"""


def test_what_does_not_start_by_itself_is_wanted_only_where_it_is_needed() -> None:
    project = load(AUTOSTART)
    assert names(project) == ["web", "db"]
    assert project.disabled == ("main/debug", "main/tools", "main/off")


def test_to_scale_is_to_name() -> None:
    assert names(load(AUTOSTART, scale={"debug": 2})) == ["web", "db", "debug", "tools"]
    assert names(load(AUTOSTART, scale={"debug": 0})) == ["web", "db"]


# -- depends_on --------------------------------------------------------------------------------------------


def test_what_is_not_required_may_be_inactive() -> None:
    text = """
processes:
  web: {command: run, depends_on: {cache: {required: false}}}
  cache: {command: run, profiles: [cache]}
"""
    off, on = load(text), load(text, profiles=("cache",))
    assert [names(off), names(on)] == [["web"], ["web", "cache"]]
    assert [[need.process for need in one_off.needs_of(next(one_off.processes()))] for one_off in (off, on)] == [
        [],
        ["cache"],
    ]


def test_what_is_not_required_is_not_started_for_it() -> None:
    text = """
processes:
  web: {command: run, depends_on: {db: {required: false, condition: started}}}
  db: {command: run, autostart: false}
"""
    assert names(load(text)) == ["web"]


@each_case(
    "restart, message, hint",
    [
        ("always", "`lint` never ends: it is always restarted", "give `lint` the policy `on_failure` or `never`"),
        (
            "on_failure",
            "`lint` is restarted until it succeeds, so it never ends with a failure",
            "give `lint` the key `restart: never`, or `max_restarts`",
        ),
        ("{max_restarts: 2}", None, None),
        ("never", None, None),
    ],
)
def test_only_what_can_end_is_waited_for_as_ended(restart: str, message: str | None, hint: str | None) -> None:
    text = f"""
processes:
  lint: {{command: run, restart: {restart}}}
  web: {{command: run, depends_on: {{lint: ended}}}}
"""
    assert mistakes(text) == ([f"4:36: {message}"] if message else [])
    assert hints(text) == ([hint] if message else [])


def test_the_key_of_process_compose_for_it() -> None:
    text = "processes: {web: {command: run, depends_on: {web2: process_completed}}, web2: {command: run}}"
    assert hints(text) == ["did you mean `ended`?"]


# -- stop_all_on -------------------------------------------------------------------------------------------


def test_what_ends_all_is_not_restarted_unless_it_says_so() -> None:
    assert web("stop_all_on: exit").restart.policy is RestartPolicy.NEVER
    assert web("stop_all_on: exit, restart: on_failure").restart.policy is RestartPolicy.ON_FAILURE
    assert web("stop_all_on: failure, restart: {max_restarts: 2}").restart.max_restarts == 2


@pytest.mark.parametrize(
    "keys, what",
    [
        ("stop_all_on: exit, restart: always", "never ends for good"),
        ("stop_all_on: failure, restart: on_failure", "never fails for good"),
    ],
)
def test_an_end_that_cannot_come_ends_nothing(keys: str, what: str) -> None:
    (found,) = mistakes(f"processes: {{web: {{command: run, {keys}}}}}")
    assert found.endswith(f"has no effect: the process {what}, it is restarted")


def test_an_end_of_what_stops_all_may_be_waited_for() -> None:
    text = """
processes:
  tests: {command: run, stop_all_on: failure}
  report: {command: run, depends_on: {tests: ended}}
"""
    assert mistakes(text) == []


# -- description -------------------------------------------------------------------------------------------


def test_a_description_is_one_line_and_makes_no_new_process() -> None:
    found = web("description: ' The web server '")
    assert found.description == "The web server"
    assert found.digest == web("replicas: 1").digest
    assert mistakes('processes: {web: {command: run, description: "a\\nb"}}') == ["1:46: it must be one line"]


# -- health_check: {exec: ...}, success_exit_codes, tty ----------------------------------------------------


def test_a_command_as_health_check_has_more_time() -> None:
    assert web("health_check: {exec: pg_isready}").health_check == HealthCheck(
        "exec", 0, timeout=5.0, command=("sh", "-c", "pg_isready")
    )
    assert web("health_check: {exec: [true], timeout: 1s}").health_check == HealthCheck(
        "exec", 0, timeout=1.0, command=("true",)
    )


def test_a_health_check_is_of_one_kind() -> None:
    assert hints("processes: {web: {command: run, health_check: {tcp: 1, exec: x}}}") == [None]
    (found,) = mistakes("processes: {web: {command: run, health_check: {tcp: 1, exec: x}}}")
    assert found.endswith("a health check has `tcp` or `exec`, not both")


def test_a_command_as_health_check_is_refused_in_the_cloud() -> None:
    text = "processes: {web: {command: run, health_check: {exec: check}}}"
    assert mistakes(text) == []
    assert mistakes(f"provider: tensorlake\n{text}") == [
        "2:48: the provider `tensorlake` cannot run a command as a health check"
    ]
    assert mistakes(text, provider="tensorlake")


def test_exit_codes_are_those_of_a_shell() -> None:
    assert web("success_exit_codes: [5, '143']").success_exit_codes == (5, 143)
    (found,) = mistakes("processes: {web: {command: run, success_exit_codes: [256]}}")
    assert "must be at most 255" in found


def test_what_decides_about_a_run_makes_another_process() -> None:
    keys = ("replicas: 1", "tty: true", "success_exit_codes: [5]", "success_exit_codes: [6]", "health_check: {exec: a}")
    assert len({web(item).digest for item in keys}) == len(keys)
    assert web("tty: false").digest == web("replicas: 1").digest


def test_labels_are_texts_as_they_are_written_and_restart_nothing() -> None:
    labelled = web("labels: {version: 1.10, team: shop, empty: ''}")
    assert labelled.labels == (("empty", ""), ("team", "shop"), ("version", "1.10"))
    assert labelled.digest == web("replicas: 1").digest
    (found,) = mistakes("processes: {web: {command: run, labels: [a=b]}}")
    assert "must be a mapping" in found
