"""One look at the machine serves all who ask at once."""

from __future__ import annotations

from sbxcompose.api.usage import Machine, TaskStat
from sbxcompose.host.supervise.usage import FRESH, MachineReader


def test_the_machine_is_read_again_when_it_is_old_or_lacks_a_process() -> None:
    now, reads, running = [0.0], [0], {10}

    def read() -> Machine:
        reads[0] += 1
        stat = f"1 (x) S 1 1 1 {'0 ' * 30}".encode()
        return Machine(now[0], 1, 1, 100, 4096, {pid: TaskStat(pid, stat, b"") for pid in running})

    reader = MachineReader(read, lambda: now[0])
    reader.machine([10])
    reader.machine([10])
    assert reads == [1]
    running.add(11)
    assert 11 in reader.machine([10, 11]).tasks
    assert reads == [2]
    now[0] += FRESH * 2
    reader.machine([10])
    assert reads == [3]
