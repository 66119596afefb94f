"""`host serve | status | stop`: the local host, for people and for programs that speak its contract."""

from __future__ import annotations

import http.client
import json
import os
import re
import resource
import shlex
import socket
import subprocess
import sys
from typing import Any

import pytest

from sbxcompose.cli.main import run
from tests.cli.looking import FOREVER, alive, pids, refused
from tests.support.cases import each_case
from tests.support.command import Sbx

WEB = f"processes: {{web: {{command: {FOREVER}}}}}\n"
SILENT = """
import resource, socket, sys
port, count = map(int, sys.argv[1:])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(min(count, hard - 100))]
print(len(clients), flush=True)
sys.stdin.read()
"""
"""Opens as many connections as it may, and says nothing on them until its input ends."""


def ask(port: int, path: str, **headers: str) -> tuple[int, Any]:
    """One GET over TCP: the status and the JSON body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def test_status_of_no_host_and_stop_of_no_host(sbx_alone: Sbx) -> None:
    assert "is not running" in sbx_alone.run("host", "status", code=3).stdout
    assert sbx_alone.run("host", "status", "--json", code=3).json["running"] is False
    assert "is not running" in refused(sbx_alone, "host", "status", "--env", code=3)
    assert "is not running" in sbx_alone.run("host", "stop").stderr


def test_the_first_command_starts_it_and_stop_ends_it_when_nothing_runs(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(WEB)
    sbx.run("up", "-d")
    status = sbx.run("host", "status", "--json").json
    assert status["running"] is True
    assert status["running_processes"] == 1
    assert "1 process running" in sbx.run("host", "status").stdout
    assert "--force" in refused(sbx, "host", "stop", code=3)
    assert set(pids(sbx)) == {"web"}
    sbx.run("down")
    host = sbx.host_pids()
    sbx.run("host", "stop")
    assert not any(alive(pid) for pid in host.values())
    sbx.run("host", "status", code=3)


@pytest.mark.time_limit(600)
def test_thousands_of_silent_connections_hold_up_no_command(sbx_alone: Sbx) -> None:
    """They are several times as many as the server can have, which would take tens of thousands by its own limit."""
    sbx = sbx_alone
    sbx.write(f"processes: {{web: {{command: {FOREVER}}}, db: {{command: {FOREVER}}}}}\n")
    said = sbx.run("host", "serve", "--detach", "--port", "0", "--key", "dev")
    port = re.findall(r"127\.0\.0\.1:(\d+)", said.stdout)[0]
    sbx.run("up", "-d")
    before = pids(sbx)
    resource.prlimit(sbx.host_pids()["server"], resource.RLIMIT_NOFILE, (1000, 1000))
    strangers = [sys.executable, "-c", SILENT, port, "3000"]
    with subprocess.Popen(strangers, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as silent:
        assert silent.stdout
        assert int(silent.stdout.readline()) > 900
        sbx.run("restart", "web")
        assert pids(sbx)["web"] != before["web"]
        sbx.run("stop", "db")
        assert set(pids(sbx)) == {"web"}
        sbx.run("down")
        assert not any(map(alive, before.values()))
        silent.communicate()


def test_a_forced_stop_ends_what_runs_and_the_next_up_starts_all_again(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(WEB)
    sbx.run("up", "-d")
    before = pids(sbx)
    sbx.run("host", "stop", "--force")
    assert not alive(before["web"])
    sbx.run("up", "-d")
    assert set(pids(sbx)) == {"web"}


def test_serve_in_the_foreground_with_a_port_and_a_key(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(WEB)
    with sbx.start("host", "serve", "--port", "0", "--key", "sesame") as serve:
        port = int(re.findall(r"127\.0\.0\.1:(\d+)", serve.wait_for(r"http://127\.0\.0\.1:\d+\D"))[-1])
        serve.wait_for("listening on .*host.sock")
        sbx.run("up", "-d")
        web = pids(sbx)["web"]
        assert ask(port, "/sandboxes")[0] == 401
        assert ask(port, "/sandboxes", Authorization="Bearer wrong")[0] == 401
        status, found = ask(port, "/sandboxes", Authorization="Bearer sesame")
        assert status == 200
        assert len(found["sandboxes"]) == 1
        assert ask(port, "/sandboxes", Authorization="Bearer sesame", Host="evil.example")[0] in (400, 403, 421)
        assert ask(port, "/sandboxes", Authorization="Bearer sesame", Origin="http://evil.example")[0] == 403
        said = refused(sbx, "host", "serve", code=3)
        assert "a host is already running" in said
        assert "`sbxcompose host stop`" in said
        serve.interrupt()
        serve.wait()
    assert not alive(web)
    sbx.run("host", "status", code=3)


def exports(text: str) -> dict[str, str]:
    """What a shell that evaluates it has in its environment: four lines and nothing else."""
    lines = [shlex.split(line) for line in text.splitlines()]
    assert [one_line[0] for one_line in lines] == ["export"] * 4
    return dict(one_line[1].split("=", 1) for one_line in lines)


def test_serve_prints_what_the_vendors_clients_need_and_status_again_when_asked(sbx_alone: Sbx) -> None:
    with sbx_alone.start("host", "serve", "--port", "0", "--key", "it's-$ecret") as serve:
        serve.wait_for("for the SDKs")
        serve.wait_for("SANDBOX_PROXY_URL=.*\n")
        variables = exports(serve.out.text)
        url = re.findall(r"http://127\.0\.0\.1:\d+", serve.err.text)[-1]
        assert variables == {
            "TENSORLAKE_API_URL": url,
            "TENSORLAKE_API_KEY": "it's-$ecret",
            "TENSORLAKE_SANDBOX_API_URL": url,
            "TENSORLAKE_SANDBOX_PROXY_URL": url,
        }
        assert exports(sbx_alone.run("host", "status", "--env").stdout) == variables
        for arguments in (["--json"], []):
            shown = sbx_alone.run("host", "status", *arguments).stdout
            assert url in shown
            assert "http://http" not in shown
            assert "ecret" not in shown


def test_serve_in_the_background_returns_when_it_listens_and_again_says_the_same(sbx_alone: Sbx) -> None:
    first = sbx_alone.run("host", "serve", "--detach", "--port", "0", "--key", "dev").stdout
    port = int(exports(first)["TENSORLAKE_API_URL"].rpartition(":")[2])
    assert ask(port, "/sandboxes", Authorization="Bearer dev")[0] == 200
    assert sbx_alone.run("host", "serve", "--detach", "--port", str(port), "--key", "dev").stdout == first
    assert "another key" in refused(sbx_alone, "host", "serve", "--detach", "--port", "0", "--key", "other", code=3)
    assert "is already running, at" in refused(sbx_alone, "host", "serve", "--detach", "--port", "1", code=3)


def test_the_host_that_up_has_started_is_replaced_once_nothing_runs(sbx_alone: Sbx) -> None:
    sbx_alone.write(WEB)
    sbx_alone.run("up", "-d")
    serve = ("host", "serve", "--detach", "--port", "0", "--key", "dev")
    assert "without a port" in refused(sbx_alone, *serve, code=3)
    assert "no TCP address" in refused(sbx_alone, "host", "status", "--env", code=3)
    assert set(pids(sbx_alone)) == {"web"}
    sbx_alone.run("down")
    port = int(exports(sbx_alone.run(*serve).stdout)["TENSORLAKE_API_URL"].rpartition(":")[2])
    status, found = ask(port, "/sandboxes", Authorization="Bearer dev")
    assert (status, len(found["sandboxes"])) == (200, 1)


@each_case("key", ["", " ", "a b", "ä", "x\n"])
def test_a_key_that_no_header_can_carry_is_refused(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["host", "serve", "--port", "0", "--key", key]) == 2
    assert "ASCII" in capsys.readouterr().err


def test_serve_with_a_port_that_is_taken_says_by_whom_and_not_that_it_listens(sbx_alone: Sbx) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(sbx_alone, "host", "serve", "--port", str(port), code=3)
    assert f"port {port} is in use by " in said
    assert f"(pid {os.getpid()})" in said
    assert "listening on" not in said


def test_key_without_port_and_an_invalid_port(dry: Sbx) -> None:
    assert "`--key` needs `--port`" in refused(dry, "host", "serve", "--key", "x")
    assert "--port" in refused(dry, "host", "serve", "--port", "70000")


def test_two_first_commands_at_once_end_up_with_one_host(sbx_alone: Sbx) -> None:
    sbx = sbx_alone
    sbx.write(WEB)
    for item in [sbx.start("up", "-d") for _ in range(3)]:
        done = item.wait()
        assert done.code == 0, str(done)
    assert set(pids(sbx)) == {"web"}
    assert len([row for row in sbx.run("ps", "--json").json if row["pid"]]) == 1


def test_two_checkouts_with_one_name_are_kept_apart(sbx: Sbx) -> None:
    sbx.write("name: shop\n" + WEB, "one/sbxcompose.yaml")
    sbx.write("name: shop\n" + WEB, "two/sbxcompose.yaml")
    one, two = sbx.project / "one", sbx.project / "two"
    sbx.run("up", "-d", cwd=one)
    try:
        for command in (["up", "-d"], ["ps"], ["down"], ["logs"]):
            said = refused(sbx, *command, code=3, cwd=two)
            assert f"belongs to the project in {one}" in said
            assert "-p NAME" in said
        sbx.run("-p", "shop-two", "up", "-d", cwd=two)
        sbx.run("-p", "shop-two", "down", "--terminate", cwd=two)
        assert len([row for row in sbx.run("ps", "--json", cwd=one).json if row["pid"]]) == 1
    finally:
        sbx.run("down", "--terminate", cwd=one)
    sbx.run("up", "-d", cwd=two)
    sbx.run("down", "--terminate", cwd=two)


def test_a_shell_with_another_runtime_directory_uses_the_same_host(sbx_alone: Sbx) -> None:
    other = {"SBXCOMPOSE_RUNTIME_DIR": str(sbx_alone.home.root / "o")}
    sbx_alone.write(WEB)
    sbx_alone.run("up", "-d")
    before = pids(sbx_alone)
    assert "running" in sbx_alone.run("ps", env=other).stdout
    assert "nothing to do" in sbx_alone.run("up", "-d", env=other).stderr
    assert pids(sbx_alone) == before
    assert alive(before["web"])
    assert sbx_alone.run("host", "stop", code=None, env=other).code == 3
    sbx_alone.run("down", env=other)
    assert not alive(before["web"])
    assert "host stopped" in sbx_alone.run("host", "stop", env=other).stderr
    assert "host is not running" in sbx_alone.run("host", "stop").stderr


def test_a_runtime_directory_that_is_too_deep_for_a_socket(sbx_alone: Sbx) -> None:
    sbx_alone.write(WEB)
    deep = str(sbx_alone.home.root / ("x" * 100))
    said = refused(sbx_alone, "up", "-d", code=3, env={"SBXCOMPOSE_RUNTIME_DIR": deep})
    assert "too long" in said


def test_a_state_directory_that_cannot_be_made(sbx_alone: Sbx) -> None:
    sbx_alone.write(WEB)
    sbx_alone.write("", "in-the-way")
    place = sbx_alone.project / "in-the-way/state"
    said = refused(sbx_alone, "up", "-d", code=3, env={"SBXCOMPOSE_STATE_DIR": str(place)})
    assert "in-the-way" in said
