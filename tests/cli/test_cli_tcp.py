"""The provider `tensorlake` with `host serve --port` as a stand-in: TCP, a key, our extensions, no file of the host."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.cli.looking import FOREVER, Gate, json_lines, order_of, pids, rows
from tests.cli.test_cli_port import ask, echo, local_port
from tests.cli.test_cli_terminal import cooked, on_terminal
from tests.live.host.listeners import listening
from tests.support.command import Sbx
from tests.support.home import MARKER

KEY = "another-key-for-tests-987"


@pytest.fixture
def tcp(request: pytest.FixtureRequest, sbx_alone: Sbx) -> Iterator[Sbx]:
    """The command with a host that it reaches over TCP alone; its own directories are others."""
    isolation = ("--isolation", "none") if request.node.get_closest_marker("not_isolated") is not None else ()
    serving = sbx_alone.start("host", "serve", "--port", "0", "--key", KEY, *isolation)
    address = re.search(r"http://127\.0\.0\.1:\d+", serving.wait_for(r"http://127\.0\.0\.1:\d+"))
    assert address
    elsewhere = sbx_alone.project.parent / "elsewhere"
    env = {
        **sbx_alone.env,
        "SBXCOMPOSE_STATE_DIR": str(elsewhere / "s"),
        "SBXCOMPOSE_RUNTIME_DIR": str(elsewhere / "r"),
        "TENSORLAKE_API_URL": address[0],
        "TENSORLAKE_API_KEY": KEY,
    }
    runner = Sbx(sbx_alone.project, sbx_alone.home, env)
    yield runner
    runner.close()
    assert not (elsewhere / "r").exists(), "nothing of the local host was needed"


def shop(tcp: Sbx) -> str:
    """A chain whose processes carry the test's marker, which they do not inherit."""
    return f"""
provider: tensorlake
sandboxes:
  main:
    workspace: {tcp.project}
    env: {{{MARKER}: {tcp.home.marker}}}
    processes:
      db: {{command: "echo is up; {FOREVER}", ready_when: {{log: is up}}}}
      job: {{command: "printf 'caf\\\\351 no end'", restart: never, depends_on: [db]}}
      web: {{command: "echo at your service; {FOREVER}", depends_on: {{job: completed}},
            ready_when: {{log: at your service}}}}
"""


def test_everything_over_tcp(tcp: Sbx) -> None:
    tcp.write(shop(tcp))
    up = tcp.run("up", "-d", "--wait")
    order_of(up.stderr, "db is ready", "job started", "web started")
    assert tcp.run("up", "-d").stderr == "nothing to do, 3 unchanged\n"
    assert {name: row["status"] for name, row in rows(tcp).items()} == {
        "db": "ready",
        "job": "completed",
        "web": "ready",
    }
    assert sorted(tcp.run("logs", "--no-log-prefix", "db", "web").stdout.splitlines()) == ["at your service", "is up"]
    assert tcp.run("exec", "web", "sh", "-c", "cat; exit 3", stdin="as it is", code=3).stdout == "as it is"
    before = pids(tcp)
    tcp.run("restart", "web")
    assert rows(tcp)["web"]["run"] == 2
    assert tcp.run("logs", "--run", "1", "web").stdout == "web | at your service\n"
    assert pids(tcp)["db"] == before["db"]
    assert "web has been running" in tcp.run("why", "web").stdout
    assert "web stopped" in tcp.run("down").stderr
    assert "sandbox main is suspended" in tcp.run("ps").stderr
    assert "web started" in tcp.run("up", "-d").stderr
    tcp.run("down", "--terminate")
    assert tcp.run("ps", "--json").json == [] or pids(tcp) == {}


def test_attached_over_tcp(tcp: Sbx) -> None:
    tcp.write(shop(tcp))
    with tcp.start("up", "--json") as up:
        up.wait_for("at your service")
        tcp.run("restart", "web")
        up.wait_for("at your service", count=2)
        up.interrupt()
        done = up.wait()
    assert done.code == 130
    assert {line.get("run") for line in json_lines(done.stdout) if line.get("process") == "web"} - {None} == {1, 2}
    tcp.run("down", "--terminate")


def test_a_sandbox_that_another_command_terminates_is_named(tcp: Sbx) -> None:
    tcp.write(f"provider: tensorlake\nprocesses: {{web: {{command: {FOREVER}}}}}\n")
    with tcp.start("up") as running:
        running.wait_for("1 process ready")
        tcp.run("down", "--terminate")
        ended = running.wait()
    assert ended.code == 3
    assert "error: sandbox main has been terminated\n" in ended.stderr
    assert "hint: `sbxcompose up` creates a new one" in ended.stderr


@pytest.mark.not_isolated  # the gate is a path of this machine
def test_a_terminal_and_a_port_over_tcp_while_the_server_is_killed(tcp: Sbx, sbx_alone: Sbx) -> None:
    tcp.write(shop(tcp))
    tcp.run("up", "-d")
    gate = Gate(tcp)
    running = on_terminal(tcp, "exec", "web", "sh", "-c", f"echo one; read _ <{gate.path}; echo two; read x; exit 6")
    running.wait_for("one")
    with listening(echo) as remote:
        port = tcp.start("port", "web", str(remote), "--listen", "0")
        local = local_port(port)
        assert ask(local, b"before") == b"BEFORE"
        os.kill(sbx_alone.host_pids()["server"], signal.SIGKILL)
        gate.open()
        running.wait_for("two")
        assert ask(local, b"after") == b"AFTER"
        port.interrupt()
        assert port.wait().code == 0
    running.press("\n")
    result = running.wait()
    assert result.code == 6
    assert [result.stdout.count(word) for word in ("one", "two")] == [1, 1]
    assert cooked(running)
    tcp.run("down", "--terminate")
