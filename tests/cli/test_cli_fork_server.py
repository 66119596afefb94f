"""The fork server as users meet it: left behind by the first command, used by those that follow, ended on request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from sbxcompose.warm import control
from tests.support import handing
from tests.support.command import COMMAND, LIMIT, Sbx
from tests.support.waiting import until
from tests.support.warm import WARM

FILE = "name: shop\nprocesses: {web: {command: exec sleep 1000}}\n"
FORKED = """
import os, sys
from sbxcompose.cli import entry, warm_main
warm_main.preload()
loaded = set(sys.modules)
for line in ("up -d", "ps", "plan", "restart web", "exec web true", "logs", "stop", "down"):
    words = line.split()
    sys.argv = ["sbxcompose", *words]
    entry.code_of()
    print("\\n", words[0], *sorted(set(sys.modules) - loaded), file=sys.stderr)
"""
DECODER = """
from sbxcompose.cli import warm_main
from sbxcompose.spec.cache import entry_decoder
warm_main.preload()
print(entry_decoder.cache_info().currsize)
"""


@pytest.fixture
def warm(sbx_alone: Sbx) -> Iterator[Sbx]:
    sbx_alone.env["SBXCOMPOSE_WARM"] = "yes"
    sbx_alone.write(FILE)
    yield sbx_alone
    sbx_alone.run("host", "stop", "--force", code=None)


def servers(sbx: Sbx) -> list[dict[str, Any]]:
    """What there are, once there are any, as `host status` asks for it: one that does not answer is not shown."""
    return until(lambda: control.all_status(sbx.env), what="no server answers")


def wait_for_socket(sbx: Sbx) -> str:
    """The socket of the server that a command has left, once that answers; what it imports takes it a moment."""
    servers(sbx)
    return control.paths(str(sbx.home.runtime / "warm"))[0]


def test_the_first_command_leaves_a_server_that_the_next_ones_use_until_the_host_is_stopped(warm: Sbx) -> None:
    warm.run("up", "-d")
    path = wait_for_socket(warm)
    assert warm.run("ps", "--json").json
    assert warm.run("exec", "web", "sh", "-c", "exit 7", code=7).stdout == ""
    (server,) = warm.run("host", "status", "--json").json["fork_servers"]
    assert server["commands"] >= 2
    assert "fork server" in warm.run("doctor", code=None).stdout
    assert f"pid {server['pid']}" in warm.run("host", "status").stdout
    # Each question is one until its fork has ended.
    until(lambda: servers(warm)[0]["commands"] <= server["commands"], what="questions are counted")
    end = os.pidfd_open(server["pid"])
    warm.run("host", "stop", "--force")
    assert not os.path.lexists(path)
    assert wait_for_end(end)
    assert warm.run("host", "status", code=3).stdout.count("\n") == 1


def wait_for_end(pidfd: int) -> bool:
    import select

    ended = select.select([pidfd], [], [], LIMIT)[0]
    os.close(pidfd)
    return bool(ended)


def test_a_fork_has_the_variables_of_its_client_and_a_killed_server_is_replaced(warm: Sbx) -> None:
    warm.write("name: ${WHOSE}\nprocesses: {web: {command: 'true'}}\n")
    warm.run("plan", env={"WHOSE": "first"})
    wait_for_socket(warm)
    assert "name: second" in warm.run("config", env={"WHOSE": "second"}).stdout
    (server,) = servers(warm)
    assert server["commands"] >= 1
    end = os.pidfd_open(server["pid"])
    os.kill(server["pid"], signal.SIGKILL)
    assert wait_for_end(end)
    assert "web" in warm.run("plan", env={"WHOSE": "third"}).stdout
    wait_for_socket(warm)
    assert servers(warm)[0]["pid"] != server["pid"]


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LANG": "C.UTF-8"}], ids=str)
def test_commands_are_forks_in_each_locale(warm: Sbx, locale: dict[str, str]) -> None:
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        warm.env.pop(name, None)
    warm.env.update(locale)
    warm.run("plan")
    wait_for_socket(warm)
    warm.run("plan")
    # Each question is one until its fork has ended.
    found = until(lambda: servers(warm)[0]["commands"], lambda commands: commands <= 1, what="questions are counted")
    assert found == 1


def test_tests_hand_commands_over_themselves_where_the_suite_has_a_server(dry: Sbx) -> None:
    ended = handing.run([str(COMMAND), "schema", "--help"], dry.project, dry.env, b"", LIMIT)
    assert (ended is not None) == (WARM in os.environ)
    assert ended is None or (ended.code, ended.stderr) == (0, b"")


def test_it_is_switched_off_by_a_variable(dry: Sbx) -> None:
    dry.env["SBXCOMPOSE_WARM"] = "no"
    dry.write(FILE)
    dry.run("config")
    assert not (dry.home.runtime / "warm").exists()


def test_everyday_commands_import_nothing_in_a_fork(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d")
    done = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=sbx.project, env=sbx.env, capture_output=True, text=True, check=True
    )
    lines = [line.split() for line in done.stderr.splitlines() if line.startswith(" ")]
    assert [line[0] for line in lines] == ["up", "ps", "plan", "restart", "exec", "logs", "stop", "down"]
    assert [line for line in lines if len(line) > 1] == [], lines


def test_a_fork_finds_the_decoder_of_cached_projects() -> None:
    done = subprocess.run([sys.executable, "-c", DECODER], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
