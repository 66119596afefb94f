"""Parts of the host killed at random moments of random commands: nothing is doubled, lost, or left.

`KILL_ROUNDS=200 KILL_SEED=7 pytest tests/cli/test_cli_random_kills.py` repeats more rounds, and the same ones.
"""

from __future__ import annotations

import os
import random
import select
import signal
from contextlib import suppress

import pytest

from tests.cli.looking import FOREVER, alive, pids
from tests.support.command import Sbx
from tests.support.home import alive_with

ROUNDS = int(os.environ.get("KILL_ROUNDS", "4"))
SEED = int(os.environ.get("KILL_SEED") or random.randrange(1 << 32))
REPLICAS = 12
COMMANDS = [("up", "-d"), ("down",), ("restart",), ("stop",), ("start",), ("up", "-d", "--force-recreate"), ("ps",)]
VICTIMS = [("keeper",), ("server",), ("keeper", "server")]
LONGEST = 0.6
"""Seconds from the start of a command to the kill."""


def running(sbx: Sbx) -> list[int]:
    """The processes of the project, found by what they inherit and not by asking the host."""
    return sorted(pid for pid, command in alive_with(sbx.home.marker).items() if command == "sleep 1000" and alive(pid))


def kill(sbx: Sbx, victims: tuple[str, ...], delay: float) -> None:
    """Kill parts of the host after `delay`; stopped first, so that none of them replaces the other."""
    host = sbx.host_pids()
    select.select([], [], [], delay)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for victim in victims:
            with suppress(ProcessLookupError, KeyError):
                os.kill(host[victim], number)


@pytest.mark.time_limit(60 + 30 * ROUNDS)
def test_parts_of_the_host_killed_at_random_moments(sbx_alone: Sbx) -> None:
    print(f"KILL_SEED={SEED}")
    choice = random.Random(SEED)
    sbx_alone.write(f"processes: {{web: {{command: {FOREVER}, replicas: {REPLICAS}, restart: always}}}}\n")
    sbx_alone.run("up", "-d")
    for number in range(ROUNDS):
        command, victims = choice.choice(COMMANDS), choice.choice(VICTIMS)
        what = f"seed {SEED}, round {number}: {' '.join(victims)} killed during {' '.join(command)}"
        under_way = sbx_alone.start(*command)
        kill(sbx_alone, victims, choice.random() * LONGEST)
        assert "Traceback" not in under_way.wait().stderr, what
        assert len(running(sbx_alone)) <= REPLICAS, what
        sbx_alone.run("up", "-d")
        assert running(sbx_alone) == sorted(pids(sbx_alone).values()), what
        assert len(running(sbx_alone)) == REPLICAS, what
    sbx_alone.run("down")
    assert running(sbx_alone) == []
