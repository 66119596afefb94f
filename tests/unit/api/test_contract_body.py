"""What a daemon that has only the contract is sent."""

from __future__ import annotations

from sbxcompose.api.contract_body import start_body
from sbxcompose.api.models import HealthCheckConfig, RestartConfig, StartRequest


def test_a_bare_command_is_sent_barely() -> None:
    assert start_body(StartRequest(command="true")) == {"command": "true"}


def test_all_that_the_contract_has_is_sent() -> None:
    request = StartRequest(
        command="web",
        args=["-v"],
        env={"A": "b"},
        working_dir="/workspace",
        user="1000:1000",
        stdin_mode="pipe",
        name="web.3f2a9c1d",
        restart=RestartConfig(policy="always"),
        health_check=HealthCheckConfig(type="tcp", port=80),
    )
    body = start_body(request)
    assert body == {
        "command": "web",
        "args": ["-v"],
        "env": {"A": "b"},
        "working_dir": "/workspace",
        "user": "1000:1000",
        "stdin_mode": "pipe",
        "name": "web.3f2a9c1d",
        "restart": {"policy": "always", "max_restarts": None, "initial_backoff_ms": 500, "max_backoff_ms": 30_000},
        "health_check": {
            "type": "tcp",
            "port": 80,
            "initial_delay_ms": 5000,
            "interval_ms": 1000,
            "timeout_ms": 500,
            "failure_threshold": 3,
        },
    }


def test_no_extension_is_sent() -> None:
    ours = StartRequest(
        command="x",
        log="x.1",
        stop_signal=2,
        stop_grace_ms=1,
        stop_command=["y"],
        success_exit_codes=[3],
        tty=True,
        end_unwatched=True,
        replaces=["z"],
        secrets=["S"],
        up_ms=1,
        life_ms=1,
        beside="x.1",
    )
    assert start_body(ours) == {"command": "x"}
