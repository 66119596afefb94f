"""How many clients may wait without a key, for how long, and how many descriptors stay free."""

from __future__ import annotations

from sbxcompose.host.http.pending_clients import PendingClients, has_room
from tests.support.cases import each_case


def test_one_too_many_and_the_oldest_has_to_go() -> None:
    pending: PendingClients[str] = PendingClients(most=2)
    assert [pending.enter(client, now) for now, client in enumerate("abcd")] == [None, None, "a", "b"]
    assert len(pending) == 2


def test_a_slow_client_is_overdue_once() -> None:
    pending: PendingClients[str] = PendingClients(patience=10.0)
    for now, client in ((0.0, "a"), (1.0, "b"), (5.0, "c")):
        pending.enter(client, now)
    assert pending.next_at == 10.0
    assert pending.overdue(9.9) == []
    assert pending.overdue(11.0) == ["a", "b"]
    assert pending.overdue(11.0) == []
    assert pending.next_at == 15.0


def test_a_client_that_sends_a_request_is_waited_for_again_only_after_it() -> None:
    pending: PendingClients[str] = PendingClients(most=2, patience=10.0)
    pending.enter("a", 0.0)
    pending.enter("b", 1.0)
    pending.forget("a")
    pending.forget("nobody")
    assert pending.next_at == 11.0
    pending.enter("a", 2.0)
    assert pending.evict() == "b"
    assert pending.evict() == "a"
    assert pending.evict() is None
    assert pending.next_at is None


def test_to_wait_for_a_client_twice_is_to_wait_from_then_on() -> None:
    pending: PendingClients[str] = PendingClients(most=2, patience=10.0)
    assert [pending.enter("a", float(now)) for now in range(5)] == [None] * 5
    assert pending.next_at == 14.0


@each_case(
    "limit, strangers, own", [(128, 96, 112), (400, 300, 350), (1024, 768, 896), (1_048_576, 1_047_552, 1_048_064)]
)
def test_a_part_of_the_descriptors_is_for_the_hosts_own_work(limit: int, strangers: int, own: int) -> None:
    assert has_room(strangers - 1, limit, trusted=False)
    assert not has_room(strangers, limit, trusted=False)
    assert has_room(own - 1, limit, trusted=True)
    assert not has_room(own, limit, trusted=True)
