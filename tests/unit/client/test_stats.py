"""CPU and memory from two samples, as numbers, as a table and as JSON."""

from __future__ import annotations

import pytest

from sbxcompose.api.usage import Usage
from sbxcompose.cli.style import Style
from sbxcompose.cli.view.stats import lines
from sbxcompose.cli.view.units import memory, percent
from sbxcompose.client.stats import UsageNow, report, to_json
from sbxcompose.engine.usage import RunUsage, SandboxSample
from sbxcompose.plan.observed import Instance

WEB, DB = Instance("main", "web"), Instance("main", "db")
MB = 1024 * 1024


def sample(at: float, **runs: tuple[Instance | None, float, int]) -> SandboxSample:
    """A sample with the runs `p7=(instance, CPU seconds, megabytes)`."""
    found = {int(pid[1:]): RunUsage(instance, Usage(cpu, mb * MB, 1)) for pid, (instance, cpu, mb) in runs.items()}
    return SandboxSample("main", at, 4, 1000 * MB, found)


def test_usage_is_the_difference_of_two_samples() -> None:
    found = report(
        [sample(10.0, p7=(WEB, 5.0, 50), p8=(DB, 1.0, 10))], [sample(12.0, p7=(WEB, 8.0, 60), p8=(DB, 1.0, 10))]
    )
    assert found.instances == {WEB: UsageNow(150.0, 60 * MB, 1), DB: UsageNow(0.0, 10 * MB, 1)}
    assert found.sandboxes["main"].now == UsageNow(150.0, 70 * MB, 2)


def test_the_first_sample_tells_memory_alone() -> None:
    assert report([], [sample(10.0, p7=(WEB, 5.0, 50))]).instances[WEB] == UsageNow(None, 50 * MB, 1)


def test_a_new_run_begins_at_nothing_and_lost_time_is_not_negative() -> None:
    before = [sample(10.0, p7=(WEB, 5.0, 50), p8=(DB, 9.0, 1))]
    found = report(before, [sample(11.0, p9=(WEB, 0.5, 20), p8=(DB, 2.0, 1))])
    assert found.instances == {WEB: UsageNow(50.0, 20 * MB, 1), DB: UsageNow(0.0, MB, 1)}


def test_two_runs_of_an_instance_count_together_and_foreign_ones_in_the_sandbox() -> None:
    before = [sample(10.0, p7=(WEB, 0.0, 1))]
    found = report(before, [sample(11.0, p7=(WEB, 0.1, 1), p9=(WEB, 0.2, 2), p5=(None, 0.4, 4))])
    assert found.instances[WEB].cpu == pytest.approx(30.0)
    assert found.sandboxes["main"].now.cpu == pytest.approx(70.0)
    assert found.sandboxes["main"].now.memory == 7 * MB


def test_the_table_has_processes_and_their_sandboxes_and_fits() -> None:
    found = report([sample(10.0, p7=(WEB, 5.0, 50))], [sample(12.0, p7=(WEB, 8.0, 60))])
    assert lines(found, {WEB: "web", DB: "db"}, Style(False), None) == [
        "NAME               CPU    MEMORY  MEM %  PROCS",
        "web             150.0%  60.0 MiB   6.0%      1",
        "db                   -         -      -      -",
        "(sandbox main)  150.0%  60.0 MiB   6.0%      1",
    ]
    narrow = lines(found, {WEB: "web"}, Style(False), 36)
    assert max(map(len, narrow)) <= 36
    assert narrow[0].split() == ["NAME", "CPU", "MEMORY"]


def test_programs_get_numbers() -> None:
    found = report([], [sample(12.0, p7=(WEB, 8.0, 60), p8=(DB, 1.0, 1))])
    shown = to_json(found, {WEB: "web"}, 1.23456)
    assert shown["time"] == 1.235
    assert [process["name"] for process in shown["processes"]] == ["web"]
    assert shown["processes"][0]["cpu_percent"] is None
    assert shown["sandboxes"][0]["memory_bytes"] == 61 * MB


def test_sizes_have_three_digits() -> None:
    assert [memory(size) for size in (0, 820, 1024, 86 * MB // 10, 999 * MB, 1024 * MB, 5 * 1024**5)] == [
        "0 B", "820 B", "1.00 KiB", "8.60 MiB", "999 MiB", "1.00 GiB", "5120 TiB",
    ]  # fmt: skip
    assert (percent(None), percent(0.04), percent(200)) == ("-", "0.0%", "200.0%")
