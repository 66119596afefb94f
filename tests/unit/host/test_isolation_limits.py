"""What a sandbox may use, as settings of control groups."""

from __future__ import annotations

import pytest

from sbxcompose.host.isolation import limits
from sbxcompose.host.isolation.limits import LimitsRefused, SandboxLimits, enforce, settings


def test_each_limit_has_its_controller_in_both_versions() -> None:
    wanted = SandboxLimits(memory=64 << 20, cpus=0.5, processes=20)
    assert settings(wanted, modern=True) == {
        "memory": {"memory.max": "67108864", "[memory.swap.max]": "0"},
        "cpu": {"cpu.max": "50000 100000"},
        "pids": {"pids.max": "20"},
    }
    assert settings(wanted, modern=False) == {
        "memory": {"memory.limit_in_bytes": "67108864", "[memory.memsw.limit_in_bytes]": "67108864"},
        "cpu": {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
        "pids": {"pids.max": "20"},
    }


def test_what_is_not_limited_needs_no_group() -> None:
    assert settings(SandboxLimits(), modern=True) == {}
    assert list(settings(SandboxLimits(processes=1), modern=False)) == ["pids"]


def test_the_kernel_gets_no_smaller_share_than_it_takes() -> None:
    assert settings(SandboxLimits(cpus=0.001), modern=True)["cpu"] == {"cpu.max": "1000 100000"}


def test_a_machine_without_such_groups_is_a_refusal_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "places", lambda controller: [])
    with pytest.raises(LimitsRefused, match="there is no control group of `memory` here"):
        enforce("/state", "box", SandboxLimits(memory=1))
    monkeypatch.setattr(limits, "places", lambda controller: ["/proc/no-such-group"])
    with pytest.raises(LimitsRefused, match="the control group /proc/no-such-group/sbxcompose-limits-"):
        enforce("/state", "box", SandboxLimits(memory=1))
