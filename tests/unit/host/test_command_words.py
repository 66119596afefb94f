"""What people are told of a command that the host has run beside a process."""

from __future__ import annotations

from sbxcompose.api.models import LastExit
from sbxcompose.host.supervise.commands import CommandResult
from tests.support.cases import each_case


@each_case(
    "end, words",
    [
        ({"exit_code": 0}, None),
        ({"exit_code": 0, "oom_kills": 1}, None),
        ({"exit_code": 3}, "exited with code 3: last"),
        ({"signal": 9}, "killed by SIGKILL: last"),
        ({"signal": 9, "oom_killed": True}, "killed by SIGKILL, out of memory: last"),
        ({"exit_code": 137, "oom_kills": 1}, "exited with code 137, out of memory: last"),
    ],
)
def test_a_command_that_failed(end: dict[str, int], words: str | None) -> None:
    assert CommandResult(LastExit.read({"ended_at": 1, **end}), last_line="last").failure == words
