"""`resources` of a file, as commands tell what they have done to a process."""

from __future__ import annotations

import json
import re

import httpx
import pytest

import sbxcompose.sync
from tests.support.command import Sbx

HUNGRY = """
sandboxes:
  app:
    resources: {memory: 64mb}
    processes:
      web:
        command: "python3 -S -c 'x = bytearray(300 << 20)'; exit $?"
        restart: never
"""


def test_a_command_of_a_shell_that_ran_out_of_memory_is_told_as_such(sbx: Sbx) -> None:
    sbx.write(HUNGRY)
    up = sbx.run("up", code=None)
    if "are not enforced" in up.stderr:
        pytest.skip(up.stderr)
    said = "exited with code 137: out of memory"
    assert f"web {said}" in up.stdout + up.stderr
    why = sbx.run("why", "web", code=None).stdout
    assert f"web {said}" in why
    assert "hint: raise `resources.memory` of sandbox app, or let its processes use less" in why
    assert "exited 137, out of memory" in sbx.run("ps", "--all").stdout
    assert f"web {said}" in sbx.run("events", "--since", "1h", "--until", "0s").stdout
    (row,) = json.loads(sbx.run("ps", "--all", "--json").stdout)
    assert (row["exit"]["code"], row["exit"]["oom_killed"], row["exit"]["out_of_memory"]) == (137, False, True)


@pytest.mark.parametrize("command", ["exec", "run"])
def test_a_command_in_the_foreground_that_ran_out_of_memory_is_told_as_such(sbx: Sbx, command: str) -> None:
    sbx.write(HUNGRY.replace("300 << 20", "1"))
    up = sbx.run("up", "-d", code=None)
    if "are not enforced" in up.stderr:
        pytest.skip(up.stderr)
    hungry = "python3 -S -c 'x = bytearray(300 << 20)'"
    said = sbx.run(command, "-T", "web", "--", "sh", "-c", f"{hungry}; exit $?", code=137).stderr
    assert "note: the command exited with code 137: out of memory" in said
    said = sbx.run(command, "-T", "web", "--", "sh", "-c", "exit 137", code=137).stderr
    assert "out of memory" not in said
    said = sbx.run(command, "-T", "web", "--", "sh", "-c", f"{hungry}; exit 3", code=3).stderr
    assert "note: the command exited with code 3 after its sandbox ran out of memory" in said
    running = sbx.start(command, "web", "--", "sh", "-c", f"{hungry}; exit $?", terminal=True)
    assert running.wait().code == 137
    assert "the command exited with code 137: out of memory" in running.out.text


def test_a_script_and_who_is_attached_hear_that_memory_ran_out(sbx: Sbx, monkeypatch: pytest.MonkeyPatch) -> None:
    hungry = "python3 -S -c 'x = bytearray(300 << 20)'; exit $?"
    sbx.write(HUNGRY.replace(hungry, f"read go; {hungry}") + "        stdin: pipe\n")
    for name, value in sbx.env.items():
        monkeypatch.setenv(name, value)
    up = sbx.run("up", "-d", code=None)
    if "are not enforced" in up.stderr:
        pytest.skip(up.stderr)
    with sbxcompose.sync.open_project(directory=sbx.project) as project:
        assert project.exec("web", hungry).out_of_memory
        assert not project.exec("web", "exit 137").out_of_memory
    running = sbx.start("attach", "web")
    running.press("go\n")
    assert running.wait().code == 137
    assert "note: web exited with code 137: out of memory" in running.err.text


def test_options_of_the_host_hold_for_what_programs_create(sbx_alone: Sbx) -> None:
    serve = ("host", "serve", "--detach", "--port", "0", "--key", "dev", "--enforce-resources")
    told = sbx_alone.run(*serve, "--isolation", "none", env={"SBXCOMPOSE_ISOLATION": "overlay"}).stdout
    url = re.findall(r"TENSORLAKE_API_URL=(\S+)", told)[0]
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer dev"}, trust_env=False, timeout=100) as http:
        body = {"name": "box", "resources": {"cpus": 0.5, "memory_mb": 64}}
        http.post("/sandboxes", json=body).raise_for_status()
        info = http.get("/sandboxes/box").raise_for_status().json()
    assert info["isolation"] == "none"
    assert (info["limits"]["cpus"], info["limits"]["memory"]) == (0.5, 64 << 20)
    again = sbx_alone.run("host", "serve", "--detach", "--isolation", "overlay", code=3)
    assert "a host is already running, with `isolation` set to `none`" in again.stderr
