"""What is said while a sandbox is being made: each reason when it comes, and the same one ever more rarely."""

from __future__ import annotations

from sbxcompose.api.sandbox_models import SandboxInfo
from sbxcompose.engine.pending import PendingReport


def said(*looks: tuple[float, str | None], status: str = "pending") -> list[str]:
    report = PendingReport()
    infos = [
        (waited, SandboxInfo.read({"id": "x", "status": status, "pending_reason": reason})) for waited, reason in looks
    ]
    return [text for waited, info in infos if (text := report(info, waited)) is not None]


def test_a_reason_is_reported_once_and_another_one_too() -> None:
    assert said((0.1, "scheduling"), (0.2, "scheduling"), (7, "no_resources_available"), (8, "something new")) == [
        "is pending: scheduling",
        "is pending: no resources available (for 7 s)",
        "is pending: something new (for 8 s)",
    ]


def test_without_a_reason_it_is_reported_after_a_while() -> None:
    assert said((0.1, None), (4.9, None), (5, None), (6, None)) == ["is pending (for 5 s)"]


def test_the_same_is_reported_again_ever_more_rarely() -> None:
    looks: list[tuple[float, str | None]] = [(float(second), "scheduling") for second in range(300)]
    assert said(*looks) == [
        "is pending: scheduling",
        "is pending: scheduling (for 30 s)",
        "is pending: scheduling (for 60 s)",
        "is pending: scheduling (for 120 s)",
        "is pending: scheduling (for 240 s)",
    ]


def test_one_that_runs_or_is_being_resumed_is_not_pending() -> None:
    assert said((60, "scheduling"), status="suspended") == []
    assert said((60, None), status="running") == []
