"""What processes use with all their descendants, from texts of /proc."""

from __future__ import annotations

from collections.abc import Mapping

from sbxcompose.api.usage import SCRIPT, Machine, TaskStat, Usage, parse_machine, tree_usage


def task(
    pid: int, parent: int, *, session: int = 0, ticks: int = 0, resident: int = 0, shared: int = 0, state: str = "S"
) -> TaskStat:
    fields = [state, str(parent), str(pid), str(session or pid), "0", "0", "0", "0", "0", "0", "0"]
    fields += [str(ticks), "0", "0", "0", *["0"] * 4, "100", "0", "0", "0"]
    return TaskStat(pid, f"{pid} (a) b) {' '.join(fields)}".encode(), f"1 {resident} {shared} 0 0 0 0".encode())


def machine(*tasks: TaskStat) -> Machine:
    return Machine(1000.0, 2, 1 << 30, 100, 4096, {one_task.pid: one_task for one_task in tasks})


def used(
    *tasks: TaskStat, leaders: tuple[int, ...] = (10,), orphans: Mapping[int, int] | None = None
) -> dict[int, Usage]:
    return tree_usage(machine(*tasks), leaders, lambda item: (orphans or {}).get(item.pid))


def test_a_process_counts_with_its_descendants() -> None:
    found = used(task(10, 1, ticks=100), task(11, 10, ticks=50), task(12, 11, ticks=25), task(99, 1, ticks=7))
    assert found == {10: Usage(1.75, 0, 3)}


def test_the_nearest_leader_has_a_descendant() -> None:
    found = used(task(10, 1, ticks=1), task(20, 10, ticks=2), task(21, 20, ticks=4), leaders=(10, 20))
    assert found == {10: Usage(0.01, 0, 1), 20: Usage(0.06, 0, 2)}


def test_what_has_left_its_parents_is_found_by_its_session_or_told_by_its_owner() -> None:
    tasks = (task(10, 1), task(11, 1, session=10, ticks=5), task(12, 1, ticks=7), task(13, 12, ticks=9), task(14, 1))
    assert used(*tasks) == {10: Usage(0.05, 0, 2)}
    assert used(*tasks, orphans={12: 10}) == {10: Usage(0.21, 0, 4)}
    assert used(*tasks, orphans={12: 77}) == {10: Usage(0.05, 0, 2)}


def test_shared_pages_are_counted_once() -> None:
    found = used(task(10, 1, resident=100, shared=60), task(11, 10, resident=90, shared=50))
    assert found == {10: Usage(0.0, (40 + 40 + 60) * 4096, 2)}


def test_what_has_ended_uses_nothing() -> None:
    assert used(task(10, 1, state="Z"), task(11, 10)) == {}
    assert used(task(11, 10), leaders=(10,)) == {}
    assert used(task(10, 1), task(11, 10, state="Z", ticks=9)) == {10: Usage(0.0, 0, 1)}


def test_a_cycle_of_reused_process_ids_ends() -> None:
    assert used(task(10, 1), task(11, 12), task(12, 11)) == {10: Usage(0.0, 0, 1)}


def test_the_text_of_a_sandbox_is_read_back() -> None:
    stat = "10 (sh) S 1 10 10 0 0 0 0 0 0 0 150 50 0 0 0 0 0 0 100 0 0 0"
    lines = ["@ 12.50 9.00 100 4096 4 MemTotal: 2048 kB", f"/proc/10/stat:{stat}", "/proc/10/statm:9 8 3 0 0 0 0"]
    found = parse_machine(lines)
    assert found is not None
    assert (found.uptime, found.cpus, found.memory) == (12.5, 4, 2048 * 1024)
    assert tree_usage(found, [10]) == {10: Usage(2.0, 8 * 4096, 1)}


def test_a_sandbox_without_proc_or_programs_says_nothing() -> None:
    for lines in ([], ["@"], ["@ 12.5 9 100 4096"], ["@ 12 9 100 4096 4 MemTotal: 2 kB"], ["/proc/1/stat:1 (x) S"]):
        assert parse_machine(lines) is None
    broken = ["@ 12.5 9 100 4096 4 MemTotal: 2 kB", "/proc/1/stat:1 (x) S 0"]
    assert parse_machine(broken) is None
    assert "'" not in SCRIPT  # it is passed as one argument, and shown as one
