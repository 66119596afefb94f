"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.command import Sbx

pytestmark = pytest.mark.time_limit(200)

SPEC = """
name: shop
processes:
  web:
    command: "echo listening on $$PORT; while read line; do echo got $$line; done; exec sleep 1000"
    stdin: pipe
    port: ${WEB_PORT}
    ready_when: {log: listening}
  other: {command: "exec sleep 1000", profiles: [more]}
"""
SETTINGS = "[pytest]\nsbxcompose_timeout = 150\nsbxcompose_free_ports = WEB_PORT\nsbxcompose_profiles = more\n"


def pytest_run(sbx: Sbx, tests: str, *, code: int) -> str:
    """Run a pytest with these tests in the project directory; what it printed."""
    sbx.write(tests, "test_shop.py")
    command = [sys.executable, "-m", "pytest", "-p", "sbxcompose.pytest_plugin", "-p", "no:cacheprovider", "-q"]
    env = {**sbx.env, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, "test_shop.py"], cwd=sbx.project, env=env, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_project_is_up_once_for_all_tests_and_gone_afterwards(sbx: Sbx) -> None:
    sbx.write(SPEC)
    sbx.write(SETTINGS, "pytest.ini")
    out = pytest_run(
        sbx,
        """
pids = set()

def test_one(sbx_project):
    assert [(process.name, process.ready) for process in sbx_project.ps()] == [("web", True), ("other", True)]
    assert sbx_project.name.startswith("shop-pytest-")
    assert int(sbx_project.exec("web", "echo $PORT").text) > 1023
    pids.update(process.pid for process in sbx_project.ps())

def test_two(sbx_project):
    assert pids == {process.pid for process in sbx_project.ps()}
""",
        code=0,
    )
    assert "2 passed" in out
    assert "shop" not in sbx.run("ls", "--json").stdout


def test_a_failed_test_shows_what_the_processes_wrote_meanwhile(sbx: Sbx) -> None:
    sbx.write(SPEC)
    sbx.write(SETTINGS, "pytest.ini")
    out = pytest_run(
        sbx,
        """
from pathlib import Path

def test_fails(sbx_project):
    (web,) = sbx_project.ps("web")
    Path(f"/proc/{web.pid}/fd/0").write_text("an order\\n")
    assert any("got an order" in line.text for line in sbx_project.logs("web", follow=True))
    assert False, "no answer"

def test_fails_without_it():
    assert False, "nothing to do with it"
""",
        code=1,
    )
    assert out.count("Output of the sbxcompose project") == 1
    assert "web | got an order" in out
    assert "web | listening" not in out


def test_a_project_that_does_not_come_up_is_an_error_with_its_last_lines(sbx: Sbx) -> None:
    sbx.write("processes: {web: {command: 'echo no database; exit 3', restart: never}}\n")
    sbx.write("[pytest]\n", "pytest.ini")
    out = pytest_run(sbx, "def test_one(sbx_project): pass\n", code=1)
    assert "sbxcompose: web exited with code 3\n  | no database\n" in out
    assert "Error" not in out
    assert "sbxcompose/" not in out, "a traceback"


def test_mistakes_in_the_file_are_shown_beside_their_lines(sbx: Sbx) -> None:
    sbx.write("processes: {web: {comand: x}}\n")
    sbx.write("[pytest]\n", "pytest.ini")
    out = pytest_run(sbx, "def test_one(sbx_project): pass\n", code=1)
    assert "sbxcompose.yaml:1:19: unknown key `comand`" in out
    assert "did you mean `command`?" in out
    assert "sbxcompose/" not in out, "a traceback"


def test_options_can_be_computed(sbx: Sbx) -> None:
    sbx.write("name: a\nprocesses: {web: {command: 'echo ${WORD}; exec sleep 1000'}}\n", "other.yaml")
    sbx.write("[pytest]\n", "pytest.ini")
    tests = """
import pytest

@pytest.fixture(scope="session")
def sbx_options():
    return {"files": ["other.yaml"], "env": {"WORD": "hello"}}

def test_one(sbx_project):
    assert next(sbx_project.logs("web", follow=True)).text == "hello"
"""
    assert "1 passed" in pytest_run(sbx, tests, code=0)


def test_the_plugin_is_registered_for_pytest() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"sbxcompose": "sbxcompose.pytest_plugin"}
