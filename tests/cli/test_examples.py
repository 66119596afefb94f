"""The examples do what their READMEs say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.command import Sbx
from tests.support.ports import free_port

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def take(sbx: Sbx, name: str, **env: str) -> None:
    """Copy an example into the project directory; variables of the shell beat its `.env`."""
    shutil.copytree(EXAMPLES / name, sbx.project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data"))
    sbx.env.update(env)


def test_the_quickstart_shows_all_output_restarts_crashed_processes_and_ends_on_ctrl_c(sbx: Sbx) -> None:
    take(sbx, "quickstart", PORT=str(free_port()), PAUSE="0.05", CRASH_CHANCE="0.5", SEED="1")
    up = sbx.start("up", terminal=True)
    up.wait_for("data/jobs.db is ready")
    up.wait_for(r"serving http://127\.0\.0\.1:")
    up.wait_for("waiting for work", count=2)
    up.wait_for(r"job \d+: \d+ = ", count=3)
    up.wait_for("RuntimeError: my heart!")
    up.wait_for("good day", count=2)
    up.interrupt()
    assert up.wait().code == 130
    assert not [row for row in sbx.run("ps", "--json").json if row.get("pid")]


def test_a_second_up_of_the_quickstart_finds_nothing_to_do(sbx: Sbx) -> None:
    take(sbx, "quickstart", PORT=str(free_port()), CRASH_CHANCE="0")
    sbx.run("up", "-d", "--wait")
    with urllib.request.urlopen(f"http://127.0.0.1:{sbx.env['PORT']}/healthz", timeout=60) as answer:
        assert answer.status == 200
    assert sbx.run("plan", "--exit-code").code == 0
    again = sbx.run("up", "-d")
    assert "nothing to do" in again.stdout + again.stderr
    changed = sbx.run("plan", env={"PAUSE": "9"}).stdout
    assert "customer" in changed
    assert "api" not in changed
    sbx.run("down")


def test_the_ci_example_ends_with_the_exit_code_of_its_tests(sbx: Sbx) -> None:
    take(sbx, "ci", STORE_PORT=str(free_port()), GATEWAY_PORT=str(free_port()))
    passed = sbx.run("up", "--exit-code-from", "tests")
    assert "Ran 3 tests" in passed.stdout
    sbx.write((sbx.project / "checks.py").read_text().replace('"hello"', '"good bye"'), "checks.py")
    failed = sbx.run("up", "--exit-code-from", "tests", code=1)
    assert "FAILED (failures=1)" in failed.stdout


def test_the_procfile_example_reads_its_env_and_gives_each_process_a_port(sbx: Sbx) -> None:
    take(sbx, "procfile")
    config = sbx.run("config").stdout
    assert "hello from .env" in config
    assert "5100" in config


def test_the_hot_reload_example_shows_what_was_saved(sbx: Sbx) -> None:
    take(sbx, "hot-reload", PORT=str(free_port()))

    def page() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{sbx.env['PORT']}/", timeout=60) as answer:
            text: str = answer.read().decode()
        return text

    up = sbx.start("up", "--watch")
    up.wait_for(r"\* watching ")
    up.wait_for("Hello from the first version: http")
    sbx.write('GREETING = "Hello again"\n', "greeting.py")
    up.wait_for("Hello again: http")
    sbx.run("wait", "web")
    assert "<h1>Hello again</h1>" in page()
    sbx.write("h1 { color: crimson; }\n", "site/style.css")
    up.wait_for("built data/page.html", count=2)
    up.wait_for("Hello again: http", count=2)
    sbx.run("wait", "web")
    assert "crimson" in page()


def test_the_agent_repairs_its_code_behind_a_wall_and_leaves_nothing(sbx_alone: Sbx) -> None:
    served = sbx_alone.run("host", "serve", "--detach", "--port", "0", "--key", "dev").stdout
    env = {**sbx_alone.env, **dict(re.findall(r"^export (\w+)=(\S+)$", served, re.MULTILINE))}
    program = EXAMPLES / "agent" / "agent.py"
    agent = subprocess.run([sys.executable, program], env=env, capture_output=True, text=True, check=False)
    if "ISOLATION" in agent.stderr:
        pytest.skip(agent.stderr)
    shown = re.findall("^```text\n(.*?)^```", (EXAMPLES / "agent" / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert (agent.stdout, agent.stderr) == (shown[0], "")
