"""Commands that run at the same time: whatever they do to each other, no process runs twice."""

from __future__ import annotations

import pytest

from tests.cli.looking import FOREVER, alive, rows
from tests.support.command import Sbx
from tests.support.home import MARKER, alive_with

REPLICAS = 12


def sleepers(sbx: Sbx) -> int:
    """How many processes of the project run, found by what they inherit and not by asking the host."""
    # Some may still be the shell whose last words these are.
    return sum(command.endswith("sleep 1000") for pid, command in alive_with(sbx.env[MARKER]).items() if alive(pid))


@pytest.mark.time_limit(300)
def test_three_ups_and_three_downs_at_once_double_nothing(sbx: Sbx) -> None:
    sbx.write(f"processes: {{web: {{command: {FOREVER}, replicas: {REPLICAS}}}}}\n")
    for _ in range(2):
        sbx.run("up", "-d")
        commands = [sbx.start(*arguments) for arguments in [("up", "-d"), ("down",)] * 3]
        for command in commands:
            command.wait()
        assert sleepers(sbx) <= REPLICAS
    sbx.run("up", "-d")
    assert sleepers(sbx) == len(rows(sbx)) == REPLICAS
    sbx.run("down")
    assert sleepers(sbx) == 0


@pytest.mark.time_limit(300)
def test_two_definitions_brought_up_at_once_leave_one_run_of_each_process(sbx_alone: Sbx) -> None:
    text = f"processes: {{web: {{command: {FOREVER}, replicas: {REPLICAS}, env: {{V: '$VERSION'}}}}}}\n"
    sbx_alone.write(text)
    ups = [sbx_alone.start("up", "-d", env={"VERSION": version}) for version in "aab"]
    codes = [up.wait().code for up in ups]
    assert 0 in codes
    assert sleepers(sbx_alone) <= REPLICAS
    sbx_alone.run("up", "-d", env={"VERSION": "c"})
    assert sleepers(sbx_alone) == REPLICAS
