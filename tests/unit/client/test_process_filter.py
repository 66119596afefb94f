"""Which processes `--filter` selects."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sbxcompose.client.process_filter import _MATCHES, ProcessFilter
from sbxcompose.client.process_state import ProcessState, choices
from sbxcompose.client.process_status import process_status
from sbxcompose.engine.listing import ListedInstance
from sbxcompose.errors import UsageError
from sbxcompose.plan.observed import Exit, Instance, ObservedRow, Phase
from tests.support.cases import each_case


def entry(name: str, phase: Phase, **fields: object) -> ListedInstance:
    instance = Instance("app", name)
    pid = 7 if phase is Phase.RUNNING else None
    row = ObservedRow(instance, "3f2a9c1d", f"{name}.3f2a9c1d", phase, **{"pid": pid, **fields})  # type: ignore[arg-type]
    return ListedInstance(instance, name, None, row)


ENTRIES: Mapping[str, ListedInstance] = {
    "web": entry("web", Phase.RUNNING, has_health_check=True),
    "worker": entry("worker", Phase.RUNNING),
    "crash": entry("crash", Phase.BACKING_OFF, exit=Exit(code=3)),
    "gone": entry("gone", Phase.EXITED, exit=Exit(code=1)),
}


@each_case(
    "pairs, selected",
    [
        ([], "web worker crash gone"),
        (["status=running"], "web worker"),
        (["status=healthy"], "web"),
        (["state=exited", "status=restarting"], "crash gone"),
        (["status=backing-off"], "crash"),
        (["status=running", "health=none"], "worker"),
        (["name=w*", "sandbox=app"], "web worker"),
        (["sandbox=other"], ""),
        (["orphan=false"], ""),
        (["label=team"], ""),
    ],
)
def test_values_of_a_key_are_alternatives_and_keys_must_all_match(pairs: list[str], selected: str) -> None:
    wanted = ProcessFilter(pairs)
    found = [name for name, listed in ENTRIES.items() if wanted.selects(process_status(listed, str))]
    assert " ".join(found) == selected
    assert bool(wanted) is bool(pairs)


@each_case(
    "pair, hint",
    [
        ("web", "expected KEY=VALUE"),
        ("stats=x", "`status`"),
        ("status=runing", "`running`"),
        ("health=good", "unhealthy"),
    ],
)
def test_a_mistake_names_what_there_is(pair: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        ProcessFilter([pair])
    assert pair in str(caught.value)
    assert hint in (caught.value.hint or "")


def test_choices_are_what_can_be_given() -> None:
    assert set(choices()) == set(_MATCHES)
    for key in choices():
        for value in choices(key):
            ProcessFilter([f"{key}={value}"])
    assert ProcessState.BACKING_OFF not in choices("status")
    assert "backing-off" in choices("status")
