"""Whether a process has work to do, from what the kernel says of its threads."""

from __future__ import annotations

from sbxcompose.host.http.peer import all_at_rest
from tests.support.cases import each_case


def stat(state: str, name: str = "node") -> str:
    return f"4711 ({name}) {state} 1 4711 4711 0 -1 4194304 1 0\n"


@each_case("states, rest", [("SSS", True), ("SRS", False), ("SD", False), ("ST", False), ("IZX", True), ("", True)])
def test_it_is_idle_if_every_thread_waits(states: str, rest: bool) -> None:
    assert all_at_rest(map(stat, states)) is rest


def test_a_name_may_look_like_a_state_and_a_thread_may_have_ended() -> None:
    assert all_at_rest([stat("S", "a) R (b"), ""])
    assert not all_at_rest([stat("R", "a) S (b")])
