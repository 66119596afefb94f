"""When a request is made again, what is said of it, and how a sleep of this machine is noticed."""

from __future__ import annotations

import asyncio

import pytest

from sbxcompose.api import outages, sleep_watch
from sbxcompose.api.cloud_errors import RateLimited, seconds_of
from sbxcompose.api.connection import StreamedBody
from sbxcompose.api.outages import Outages
from sbxcompose.api.retries import BUSY_TRIES, FIRST_TRIES, PATIENCE, REPEATABLE, RequestRetry
from sbxcompose.api.settings import SILENCE
from sbxcompose.api.sleep_watch import JUMP, SleepWatch, has_slept
from sbxcompose.errors import Unavailable, Unreachable
from tests.support.cases import each_case

BROKEN = Unreachable("it does not answer")
BUSY = Unavailable("it is not ready")


def pauses(error: Unreachable, *, answered: bool, random: float = 1.0) -> list[float]:
    """The pauses of a request that fails again and again, until it is given up."""
    retry, now, found = RequestRetry(answered), 0.0, list[float]()
    while (pause := retry.pause(error, now, random)) is not None:
        found.append(pause)
        now += pause
    return found


def test_pauses_double_up_to_a_limit_and_end_once_patience_is_over() -> None:
    found = pauses(BROKEN, answered=True)
    assert found[:5] == pytest.approx([0.15, 0.3, 0.6, 1.2, 2.4])
    assert max(found) == 5.0
    assert PATIENCE - 5.0 < sum(found) <= PATIENCE


def test_a_request_whose_first_try_took_longer_than_that_is_made_again() -> None:
    retry = RequestRetry(answered=True)
    assert retry.pause(BROKEN, SILENCE, 1.0) == pytest.approx(0.15)
    assert retry.pause(BROKEN, SILENCE + PATIENCE, 1.0) is None


def test_half_of_a_pause_is_left_to_chance() -> None:
    least, most = pauses(BROKEN, answered=True, random=0.0), pauses(BROKEN, answered=True)
    assert least[:5] == pytest.approx([pause / 2 for pause in most[:5]])


@pytest.mark.parametrize("error,tries", [(BROKEN, FIRST_TRIES), (BUSY, BUSY_TRIES)], ids=["broken", "busy"])
def test_a_site_that_has_never_answered_is_given_up_soon(error: Unreachable, tries: int) -> None:
    assert len(pauses(error, answered=False)) == tries - 1


def test_a_wait_that_the_server_asks_for_is_kept_and_only_lengthened() -> None:
    limited = RateLimited("slow down", retry_after=2.0)
    assert RequestRetry(answered=True).pause(limited, 0.0, 0.0) == 2.0
    assert RequestRetry(answered=True).pause(limited, 0.0, 1.0) == 2.25
    assert RequestRetry(answered=True).pause(RateLimited("slow down", retry_after=120.0), 0.0, 0.0) is None


@each_case(
    "text,seconds",
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text, 40.0) == seconds


def test_what_starts_something_is_not_repeated_blindly() -> None:
    assert "POST" not in REPEATABLE


def test_a_body_is_sent_again_only_where_it_can_be_had_again() -> None:
    async def pieces() -> list[bytes]:
        async def all_of() -> object:
            yield b"x"

        once = StreamedBody(all_of())  # type: ignore[arg-type]
        assert once.repeated() is None
        twice = StreamedBody(all_of(), 1, lambda: all_of())  # type: ignore[arg-type,return-value]
        again = twice.repeated()
        assert again is not None
        return [piece async for piece in again.pieces]

    assert asyncio.run(pieces()) == [b"x"]


class TestOutages:
    """Many fail and recover at once: it is one outage."""

    def told(self, monkeypatch: pytest.MonkeyPatch, notice: float, *happens: tuple[str, str]) -> list[str]:
        monkeypatch.setattr(outages, "NOTICE", notice)
        said: list[str] = []

        async def main() -> None:
            own = Outages(lambda reason, seconds: said.append("over" if reason is None else reason))
            for what, who in happens:
                if what == "failed":
                    own.failed(who, f"{who} is broken")
                else:
                    own.recovered(who, given_up=what == "given up")
                for _ in range(3):  # a timer that is due is served
                    await asyncio.sleep(0)

        asyncio.run(main())
        return said

    def test_one_line_at_its_begin_and_one_at_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        happens = [("failed", "a"), ("failed", "b"), ("over", "a"), ("failed", "a"), ("over", "b"), ("over", "a")]
        assert self.told(monkeypatch, 0.0, *happens) == ["a is broken", "over"]

    def test_what_was_given_up_is_not_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.told(monkeypatch, 0.0, ("failed", "a"), ("given up", "a")) == ["a is broken", ""]

    def test_one_that_is_over_in_a_moment_is_not_told_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.told(monkeypatch, 60.0, ("failed", "a"), ("over", "a")) == []

    def test_what_has_not_failed_is_over_anyway(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.told(monkeypatch, 0.0, ("over", "a")) == []


class TestFirstAnswer:
    """What has not answered at all for a while is named, once."""

    def named(self, monkeypatch: pytest.MonkeyPatch, slow: float, *sites: str) -> list[str]:
        monkeypatch.setattr(outages, "SLOW", slow)
        said: list[str] = []

        async def main() -> None:
            own = Outages(emit_slow=said.append)
            for site in sites:
                with own.first_answer(site):
                    for _ in range(3):  # a timer that is due is served
                        await asyncio.sleep(0)

        asyncio.run(main())
        return said

    def test_each_site_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.named(monkeypatch, 0.0, "https://a", "https://a", "https://b") == ["https://a", "https://b"]

    def test_one_that_answers_soon_is_not_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.named(monkeypatch, 60.0, "https://a") == []


class TestSleep:
    """The wall clock has gone on without the steady one."""

    def test_only_a_jump_forward_of_the_wall_clock_counts(self) -> None:
        assert has_slept((0.0, 0.0), (3600.0, 5.0))
        assert not has_slept((0.0, 0.0), (3600.0, 3600.0))
        assert not has_slept((0.0, 0.0), (JUMP, 5.0))
        assert not has_slept((3600.0, 0.0), (0.0, 5.0))

    def test_whoever_waits_for_the_network_is_woken_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sleep_watch, "POLL_INTERVAL", 1000.0)
        clocks = [(100.0, 100.0), (3800.0, 105.0), (3805.0, 110.0)]
        woken: list[None] = []

        async def main() -> None:
            watch = SleepWatch(lambda: woken.append(None), lambda: clocks.pop(0))
            with watch, watch:
                watch.check()
                watch.check()

        asyncio.run(main())
        assert len(woken) == 1
        assert not clocks
