"""Looking and stopping cover what runs; only what would start a process asks whether its needs' profiles are active."""

from __future__ import annotations

import pytest

from tests.cli.looking import FOREVER, logged, pids, refused
from tests.support.command import Sbx

FILE = f"""
processes:
  foo: {{command: {FOREVER}, profiles: [extra]}}
  bar: {{command: "echo at work; {FOREVER}", depends_on: {{foo: started}}}}
  solo: {{command: {FOREVER}}}
"""
WORDS = "`bar` needs `foo`, whose profile (`extra`) is not active"


@pytest.fixture
def running(sbx: Sbx) -> Sbx:
    """A project brought up with a profile that the commands of the test do not repeat."""
    sbx.write(FILE)
    sbx.run("--profile", "extra", "up", "-d")
    return sbx


def test_looking_needs_no_profile(running: Sbx) -> None:
    assert {line.split()[0] for line in running.run("ps").stdout.splitlines()[1:]} == {"foo", "bar", "solo"}
    logged(running, "at work", "bar")
    running.run("logs", "foo")
    for name in ("foo", "bar", "solo"):
        running.run("why", name)
        assert running.run("exec", name, "echo", "hi").stdout == "hi\n"


@pytest.mark.parametrize("arguments", [["stop"], ["down"]], ids=" ".join)
def test_stopping_needs_no_profile_and_stops_everything(running: Sbx, arguments: list[str]) -> None:
    said = running.run(*arguments).stderr
    assert said.index("bar stopped") < said.index("foo stopped")
    assert pids(running) == {}


def test_up_goes_ahead_where_the_need_runs(running: Sbx) -> None:
    before = pids(running)
    running.run("up", "-d")
    running.run("restart", "bar")
    assert pids(running)["foo"] == before["foo"]


def test_only_what_would_start_it_is_refused(sbx: Sbx) -> None:
    sbx.write(FILE)
    sbx.run("up", "-d", "solo")
    assert set(pids(sbx)) == {"solo"}
    for arguments in (
        ["up", "-d"],
        ["up", "-d", "bar"],
        ["start", "bar"],
        ["restart", "bar"],
        ["plan"],
        ["run", "bar", "true"],
    ):
        said = refused(sbx, *arguments)
        assert WORDS in said
        assert "`--profile extra`" in said
    assert set(pids(sbx)) == {"solo"}
    sbx.run("up", "-d", "bar", "foo")
    assert set(pids(sbx)) == {"foo", "bar", "solo"}


UNRESOLVED = f"""
processes:
  solo: {{command: {FOREVER}}}
  extra: {{command: {FOREVER}, profiles: [extra], env: {{TOKEN: "${{NOT_SET_TOKEN:?ask your admin}}"}}}}
  files: {{command: {FOREVER}, profiles: [extra], env_file: [missing.env]}}
"""


def test_what_an_inactive_process_lacks_is_not_an_error_of_the_others(sbx: Sbx) -> None:
    sbx.write(UNRESOLVED)
    sbx.run("up", "-d")
    assert set(pids(sbx)) == {"solo"}
    for arguments in (["plan"], ["up", "-d"], ["restart"], ["exec", "solo", "true"], ["run", "solo", "true"]):
        sbx.run(*arguments)
    for arguments in (["up", "-d", "extra"], ["start", "extra"], ["--profile", "extra", "plan"], ["run", "extra"]):
        said = refused(sbx, *arguments, code=2)
        assert "`NOT_SET_TOKEN` is not set: ask your admin" in said
        assert "sbxcompose.yaml:4:" in said
    assert "`missing.env` does not exist" in refused(sbx, "up", "-d", "files", code=2)
    assert "`NOT_SET_TOKEN`" in refused(sbx, "config", code=2)
    assert set(pids(sbx)) == {"solo"}


def test_looking_and_stopping_need_no_values(sbx: Sbx) -> None:
    sbx.write(UNRESOLVED)
    (sbx.project / "missing.env").write_text("A=1\n")
    sbx.run("--profile", "extra", "up", "-d", env={"NOT_SET_TOKEN": "here"})
    (sbx.project / "missing.env").unlink()
    for arguments in (["ps"], ["logs"], ["logs", "extra"], ["wait"]):
        sbx.run(*arguments)
    why = sbx.run("why", code=None)
    assert "NOT_SET_TOKEN" not in why.stderr
    assert "extra stopped" in sbx.run("stop", "extra").stderr
    assert "files stopped" in sbx.run("down").stderr
    assert pids(sbx) == {}
