"""What the kernel's log says of processes that it has killed for want of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbxcompose.host.keeper.oom import INITIAL_PID_NAMESPACE, KernelLog, KillCount, is_victim, kills_in, victim_of
from sbxcompose.host.supervise.state import exit_of
from tests.support.cases import each_case

OF_A_GROUP = (
    b"3,423,1525162274,-;Memory cgroup out of memory: Killed process 30113 (python3) total-vm:33016kB,"
    b" anon-rss:23156kB, file-rss:3672kB, shmem-rss:0kB, UID:0 pgtables:108kB oom_score_adj:0\n"
)
OF_THE_MACHINE = b"3,9,99,-;Out of memory: Killed process 12 (a (b) c) total-vm:1kB\n SUBSYSTEM=x\n"
OLDER = b"3,9,99,c;Out of memory: Killed process 13, UID 0, (sh) total-vm:1kB\n"


@pytest.mark.parametrize("record, victim", [(OF_A_GROUP, 30113), (OF_THE_MACHINE, 12), (OLDER, 13)])
def test_a_victim_is_named(record: bytes, victim: int) -> None:
    assert victim_of(record) == victim


@each_case(
    "record",
    [
        b"4,345,1525159261,-;python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n",
        b"6,422,1525162247,-;oom-kill:constraint=CONSTRAINT_MEMCG,task=python3,pid=30113,uid=0\n",
        b"11,423,1525162274,-;Out of memory: Killed process 30113 (python3)\n",  # written by a user
        b"3,423,1525162274,-;usb 1-1: Killed process 30113\n",
        b"3,423,1525162274,-;x\n Out of memory: Killed process 30113 (in the properties)\n",
        b"",
        b"\xff;",
    ],
)
def test_no_victim_is_named(record: bytes) -> None:
    assert victim_of(record) is None


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "kmsg"
    path.write_bytes(OF_THE_MACHINE)
    return path


def append(path: Path, record: bytes) -> None:
    with path.open("ab") as file:
        file.write(record)


def test_earlier_lines_do_not_count_and_each_victim_is_reported_once(log: Path) -> None:
    kernel = KernelLog(str(log), INITIAL_PID_NAMESPACE)
    assert not kernel.has_killed(12)
    append(log, OF_A_GROUP)
    assert not kernel.has_killed(1)
    assert kernel.has_killed(30113)
    assert not kernel.has_killed(30113)


def test_a_victim_that_is_not_asked_for_is_forgotten(log: Path) -> None:
    kernel = KernelLog(str(log), INITIAL_PID_NAMESPACE)
    append(log, OF_A_GROUP)
    assert not kernel.has_killed(1)
    kernel.forget_all_but({2, 3})
    assert not kernel.has_killed(30113)


def test_nothing_is_claimed_where_the_numbers_mean_others_or_the_log_cannot_be_read(log: Path) -> None:
    inside, absent = KernelLog(str(log), "pid:[4026532999]"), KernelLog(str(log.parent / "none"), INITIAL_PID_NAMESPACE)
    append(log, OF_A_GROUP)
    assert not inside.has_killed(30113)
    assert not absent.has_killed(30113)


def test_an_end_for_want_of_memory_is_a_death_by_signal() -> None:
    ended = exit_of(9, 5, oom_killed=True)
    assert (ended.exit_code, ended.signal, ended.oom_killed) == (None, 9, True)


EVENTS = "low 0\nhigh 0\nmax 31\noom 2\noom_kill {}\noom_group_kill 0\n"
CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"


@each_case(
    "text, kills",
    [
        (EVENTS.format(2), 2),
        (CONTROL.format(5), 5),
        ("oom_kill_disable 0\nunder_oom 0\n", None),  # before Linux 4.13
        ("oom_kill max\n", None),
        ("", None),
    ],
)
def test_a_group_counts_its_victims(text: str, kills: int | None) -> None:
    assert kills_in(text) == kills


@pytest.mark.parametrize("name, text", [("memory.events", EVENTS), ("memory.oom_control", CONTROL)])
def test_the_victims_since_the_start_of_a_run_are_counted(tmp_path: Path, name: str, text: str) -> None:
    group = tmp_path / "memory"
    group.mkdir()
    (group / name).write_text(text.format(3))
    count = KillCount.begin([str(tmp_path / "pids"), str(group)])
    assert count is not None
    assert count.since == 0
    (group / name).write_text(text.format(5))
    assert count.since == 2
    (group / name).unlink()
    assert count.since == 0


def test_without_a_group_of_memory_there_is_no_count(tmp_path: Path) -> None:
    assert KillCount.begin([str(tmp_path)]) is None
    assert KillCount.begin([]) is None


@each_case(
    "named, log_readable, kills, killed_by_us, victim",
    [
        (True, True, 0, False, True),
        (False, True, 1, False, False),  # it was another process of the sandbox
        (False, False, 1, False, True),
        (False, False, 1, True, False),
        (False, False, 0, False, False),
    ],
)
def test_a_leader_is_a_victim_by_the_log_or_else_by_the_count(
    named: bool, log_readable: bool, kills: int, killed_by_us: bool, victim: bool
) -> None:
    found = is_victim(named=named, log_readable=log_readable, kills=kills, killed_by_us=killed_by_us)
    assert found is victim
