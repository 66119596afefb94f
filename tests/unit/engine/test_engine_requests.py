"""A wanted process as a start request."""

from __future__ import annotations

from sbxcompose.engine.requests import (
    base_environment,
    command_request,
    log_instance,
    log_name,
    start_request,
    working_directory,
)
from sbxcompose.plan.observed import Instance
from sbxcompose.spec.project import HealthCheck, Process, Project, Restart, RestartPolicy, Sandbox, StopPolicy

WEB = Process(
    "app",
    "web",
    ("sh", "-c", "serve"),
    "3f2a9c1d",
    env=(("MODE", "dev"),),
    replica_env=((("PORT", "5000"),), (("PORT", "5001"),)),
    workdir="site",
    restart=Restart(RestartPolicy.ALWAYS, 5, 0.25, 2.0),
    health_check=HealthCheck("http", 8080, "/healthz", timeout=0.5),
    stop=StopPolicy(2, 1.5),
    replicas=2,
)


def project(provider: str = "local", process: Process = WEB) -> Project:
    sandbox = Sandbox("app", "shop-app", (process,))
    return Project("shop", "/home/me/shop", "local" if provider == "local" else "tensorlake", (sandbox,))


def test_everything_that_the_file_says_is_asked_for() -> None:
    request = start_request(project(), WEB, Instance("app", "web", 2), "web.2.3f2a9c1d")
    assert (request.command, request.args, request.name) == ("sh", ["-c", "serve"], "web.2.3f2a9c1d")
    assert request.restart is not None
    assert request.restart.write() == {
        "policy": "always",
        "max_restarts": 5,
        "initial_backoff_ms": 250,
        "max_backoff_ms": 2000,
    }
    assert request.health_check is not None
    assert (request.health_check.path, request.health_check.timeout_ms) == ("/healthz", 500)
    assert (request.stop_signal, request.stop_grace_ms, request.log) == (2, 1500, "web.2")


def test_variables_of_the_spec_the_replica_and_ourselves() -> None:
    env = start_request(project(), WEB, Instance("app", "web", 2), "x").env
    assert (env["MODE"], env["PORT"]) == ("dev", "5001")
    ours = {key: value for key, value in env.items() if key.startswith("SBXCOMPOSE_")}
    assert ours == {
        "SBXCOMPOSE_PROJECT": "shop",
        "SBXCOMPOSE_SANDBOX": "app",
        "SBXCOMPOSE_PROCESS": "web",
        "SBXCOMPOSE_REPLICA": "2",
        "SBXCOMPOSE_WORKSPACE": "/home/me/shop",
    }
    assert env["PWD"] == "/home/me/shop/site"


def test_the_workspace_is_the_project_in_place_here_and_a_folder_in_the_cloud() -> None:
    local, cloud = project(), project("tensorlake")
    assert working_directory(local, local.sandboxes[0], WEB) == "/home/me/shop/site"
    assert working_directory(cloud, cloud.sandboxes[0], WEB) == "/workspace/site"


def test_the_callers_environment_is_inherited_as_far_as_the_file_lets_it() -> None:
    shell = {"PATH": "/bin", "TOKEN": "t", "OLDPWD": "/", "SBXCOMPOSE_UNIT": "7"}
    closed = Process("app", "web", ("x",), "0" * 8, inherit_env=False)
    some = Process("app", "web", ("x",), "0" * 8, inherit_env=("PATH", "NONE"))
    assert base_environment(WEB, project(), shell) == {"PATH": "/bin", "TOKEN": "t"}
    assert base_environment(closed, project(), shell) == {}
    assert base_environment(some, project(), shell) == {"PATH": "/bin"}
    assert base_environment(WEB, project("tensorlake"), shell) == {}


def test_the_same_environment_is_the_same_object_so_that_starts_travel_together() -> None:
    shell = {"PATH": "/bin"}
    assert base_environment(WEB, project(), shell) is base_environment(WEB, project(), shell)


def test_a_command_beside_a_process_has_its_place_but_no_supervisor() -> None:
    request = command_request(project(), WEB, Instance("app", "web"), ("ls", "-l"))
    assert (request.command, request.args, request.managed, request.log) == ("ls", ["-l"], False, None)
    assert request.working_dir == "/home/me/shop/site"
    assert request.env["MODE"] == "dev"


def test_log_names_lead_back_to_instances() -> None:
    instance = Instance("app", "web", 2)
    assert log_instance("app", log_name(instance)) == instance
    assert log_instance("app", "something") is None
    assert log_instance("app", "h.x") is None
